"""What a call's result must not tell of a run's overrides, however the receiver writes it."""

import html
import json
from urllib.parse import quote, quote_plus, unquote
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.executor.targets.http import HIDDEN
from services.executor.work import MIN_SECRET_LENGTH, Work
from shared.domain.job import WebhookTarget
from shared.overrides import RunOverrides

SECRETS = st.text(st.characters(exclude_categories=["Cs"]), min_size=MIN_SECRET_LENGTH)


def work(overrides: RunOverrides) -> Work:
    return Work(
        target=WebhookTarget(url="http://127.0.0.1:9/"),
        execution_id=uuid4(),
        facts=None,
        timeout_seconds=1.0,
        metadata=overrides.metadata,
        overrides=overrides,
    )


@given(secret=SECRETS)
def test_a_text_is_hidden_in_every_form(secret: str) -> None:
    hide = work(RunOverrides(metadata={"deep": [{"er": secret}]})).discretion.hide
    for form in (
        secret,
        json.dumps(secret)[1:-1],
        json.dumps(secret).replace("/", "\\/")[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        quote(secret, safe=""),
        quote_plus(secret),
        html.escape(secret),
    ):
        assert hide(f"[{form}]") == f"[{HIDDEN}]"


def test_a_number_is_hidden() -> None:
    hide = work(RunOverrides(metadata={"pin": 1234567890}, inputs={"yes": True})).discretion.hide
    assert hide('{"pin":1234567890,"yes":true}') == '{"pin":***,"yes":true}'


@pytest.mark.parametrize("part", ["T0SECRETSEGMENT", "a%20long%20one", "a long one", "query secret"])
def test_the_parts_of_a_url_are_hidden(part: str) -> None:
    url = "https://hooks.example/services/T0SECRETSEGMENT/a%20long%20one?k=query%20secret"
    hide = work(RunOverrides(target_url=url)).discretion.hide
    assert hide(f"there is no {part} here") == f"there is no {HIDDEN} here"
    assert unquote(part) not in hide(unquote(url))


def test_a_jobs_own_texts_are_shown() -> None:
    plain = Work(
        target=WebhookTarget(url="http://127.0.0.1:9/shown/to/all"),
        execution_id=uuid4(),
        facts=None,
        timeout_seconds=1.0,
        metadata={"shown": "shown to all"},
    )
    assert plain.discretion.hide("shown to all") == "shown to all"
