"""What one call is made of: the order with what its run has of its own laid over it, or a trial."""

import html
import json
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit
from uuid import UUID, uuid4

from services.executor.targets.http import NOTHING_TO_HIDE, Discretion
from shared.domain.job import Target
from shared.errors import Transient
from shared.events import RunFacts, RunTriggered
from shared.overrides import IncompleteWorkflow, RunOverrides, open_overrides, target_of_run
from shared.secretbox import SecretBox, UnknownKey
from shared.trial import MAX_TRIAL_SECONDS, Trial

MIN_SECRET_LENGTH = 8
"""Shorter texts of overrides are not taken out of what a target answers: without every `main` nobody could read it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One call, whichever attempt of it."""

    target: Target
    execution_id: UUID
    facts: RunFacts | None
    """None for a trial: there is neither a job nor an execution."""
    timeout_seconds: float
    metadata: dict[str, Any] = field(repr=False)
    """The job's and the run's."""
    inputs: dict[str, Any] = field(default_factory=dict, repr=False)
    """Laid over the metadata in what is sent."""
    github_token: str | None = field(default=None, repr=False)
    overrides: RunOverrides | None = field(default=None, repr=False)
    """Laid over the fields above already; kept to know what nobody may be told."""

    @property
    def discretion(self) -> Discretion:
        """A URL of the run's own is as secret as the rest of its overrides: not even its host may be told."""
        if self.overrides is None:
            return NOTHING_TO_HIDE
        texts = _texts(self.overrides.model_dump()) + _url_parts(self.overrides.target_url or "")
        return Discretion(
            secrets=frozenset(
                form for text in texts if len(text) >= MIN_SECRET_LENGTH for form in _forms(text)
            ),
            names_host=self.overrides.target_url is None,
        )

    @property
    def payload(self) -> dict[str, Any]:
        """The metadata with the inputs laid over them."""
        return {**self.metadata, **self.inputs}


@dataclass(frozen=True, slots=True)
class Unworkable:
    """An order that can never be carried out, and why."""

    reason: str


WorkOrNot: TypeAlias = Work | Unworkable


def work_of(order: RunTriggered, box: SecretBox) -> WorkOrNot:
    """What a run calls. Raises `Transient` while its overrides are sealed with a key that is not known here (yet)."""
    facts = order.facts
    overrides = RunOverrides()
    if order.sealed_overrides is not None:
        try:
            overrides = open_overrides(box, facts.execution_id, order.sealed_overrides)
        except UnknownKey:
            raise Transient("the run's overrides are sealed with a key that is not known here") from None
        except ValueError:  # its message may quote what they hold
            return Unworkable("The run's overrides cannot be read")
    try:
        target = target_of_run(order.target, overrides)
    except IncompleteWorkflow as error:
        return Unworkable(error.message)
    return Work(
        target=target,
        execution_id=facts.execution_id,
        facts=facts,
        timeout_seconds=order.timeout_seconds,
        metadata={**order.metadata, **overrides.metadata},
        inputs=overrides.inputs,
        github_token=overrides.github_token,
        overrides=overrides if order.sealed_overrides is not None else None,
    )


def work_of_trial(trial: Trial) -> Work:
    """What a trial calls."""
    return Work(
        target=trial.target,
        execution_id=uuid4(),
        facts=None,
        timeout_seconds=min(trial.timeout_seconds, MAX_TRIAL_SECONDS),
        metadata=trial.metadata,
        github_token=trial.github_token,
    )


def _texts(value: object) -> list[str]:
    match value:
        case str():
            return [value]
        case int() | float():
            return [json.dumps(value)]
        case dict():
            return [text for part in value.values() for text in _texts(part)]
        case list() | tuple():
            return [text for part in value for text in _texts(part)]
        case _:
            return []


def _url_parts(url: str) -> list[str]:
    """What a receiver sees of a URL, and with it repeats."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return []
    segments = parts.path.split("/")
    return [
        parts.netloc,
        parts.path,
        parts.query,
        *segments,
        *(unquote(segment) for segment in segments),
        *(value for _, value in parse_qsl(parts.query)),
    ]


def _forms(text: str) -> set[str]:
    """The text as a receiver may repeat it: as it is, and inside of JSON, of a URL or of HTML."""
    escaped = json.dumps(text)[1:-1]
    return {
        text,
        escaped,
        escaped.replace("/", "\\/"),
        json.dumps(text, ensure_ascii=False)[1:-1],
        quote(text, safe=""),
        quote_plus(text),
        html.escape(text),
    }
