"""The messages of decisions are the events that everybody else reads."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.scheduler.decision_log import Entry, entries
from services.scheduler.known_jobs import Change, KnownJob, read_change
from services.scheduler.messages import Message, message
from services.scheduler.outcomes import Cancel, NotRun, NotRunAs, Release, Run, Wait
from services.scheduler.waiting import Waiting, WaitingRuns
from shared.bus import subjects
from shared.bus.envelope import Outgoing, pack, unpack
from shared.bus.reader import StreamMessage
from shared.domain.execution import Kind
from shared.domain.ids import decision_message_id, planned_execution_id, released_message_id
from shared.domain.job import GitHubTarget, HttpMethod, Job, Notifications, WebhookTarget
from shared.events import (
    AnyEvent,
    InstantsMissed,
    InstantsSkipped,
    JobCreated,
    JobDeleted,
    JobUpdated,
    RunCancelled,
    RunFacts,
    RunTriggered,
    RunWaiting,
    UnreadableEvent,
)
from tests.fixtures.builders import make_job

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
NOW = NOON + timedelta(seconds=1, microseconds=250)
SLOT = NOON + timedelta(seconds=42, milliseconds=7)

WEBHOOK = make_job(
    target=WebhookTarget(url="https://example.com/ü?q=1", method=HttpMethod.POST),
    metadata={"a": [1, 2.5, None, {"ß": True}]},
    pic_team="team",
    notifications=Notifications(email_enabled=True, emails=("a@example.com",), on_success=True),
    queue="reports",
    timeout_seconds=12.5,
    version=7,
)
GITHUB = make_job(target=GitHubTarget(owner="o", repo="r", workflow="w.yml"))


def order(job: Job, not_before: datetime | None = None, cancels: tuple[UUID, ...] = ()) -> RunTriggered:
    """As it is built from whole events."""
    facts = RunFacts.of(job, planned_execution_id(job.id, NOON), Kind.SCHEDULED, NOW, NOON)
    facts = facts.model_copy(update={"not_before": not_before})
    return RunTriggered.of(job, facts, 3).model_copy(update={"cancels": cancels})


def published(decision: Any) -> tuple[Outgoing, AnyEvent]:
    """The message, and what a reader makes of it."""
    outgoing = message(decision, NOW, 3).outgoing
    return outgoing, unpack(outgoing.body, outgoing.headers).event


def stored(made: Message, sequence: int = 5) -> Entry:
    """What a scheduler reads of it."""
    outgoing = made.outgoing
    [entry] = entries([StreamMessage(sequence, outgoing.subject, outgoing.body, outgoing.headers, 0)], 3)
    return entry


def waiting(job: Job) -> Waiting:
    """A run that waits for its slot."""
    runs = WaitingRuns()
    runs.add(message(Wait(KnownJob.of(job), NOON, SLOT, "spread"), NOON, 3).entry(9))
    [one] = runs.ready(job.id, SLOT)
    return one


@pytest.mark.parametrize("job", [WEBHOOK, GITHUB])
def test_a_run_is_the_order_of_the_job(job: Job) -> None:
    cancels = (uuid4(), uuid4())
    outgoing, event = published(Run(KnownJob.of(job), NOON, SLOT, cancels))
    assert event == order(job, SLOT, cancels)
    expected = pack(
        order(job, SLOT, cancels),
        subject=subjects.trigger(job.queue, job.id),
        source="scheduler",
        event_id=decision_message_id(job.id, NOON),
        time=NOON,
        message_id=decision_message_id(job.id, NOON),
    )
    assert (outgoing.subject, outgoing.headers) == (expected.subject, expected.headers)
    assert outgoing.body == expected.body


@pytest.mark.parametrize("job", [WEBHOOK, GITHUB])
def test_a_run_that_waits_carries_its_order(job: Job) -> None:
    outgoing, event = published(Wait(KnownJob.of(job), NOON, SLOT, "spread"))
    assert event == RunWaiting(order=order(job, SLOT), reason="spread")
    assert outgoing.subject == subjects.decision(job.id)
    assert outgoing.message_id == decision_message_id(job.id, NOON)


@pytest.mark.parametrize(("kind", "type_"), [("missed", InstantsMissed), ("skipped", InstantsSkipped)])
def test_what_does_not_run_names_the_range_and_the_reason(kind: str, type_: type[InstantsMissed]) -> None:
    last, into = NOON + timedelta(hours=1), uuid4()
    decision = NotRun(KnownJob.of(WEBHOOK), NotRunAs(kind), NOON, last, 61, "because", into)
    outgoing, event = published(decision)
    assert event == type_(
        job_id=WEBHOOK.id,
        job_version=7,
        job_name=WEBHOOK.name,
        account_id=WEBHOOK.account_id,
        owner_id=WEBHOOK.owner_id,
        execution_id=planned_execution_id(WEBHOOK.id, NOON),
        from_=NOON,
        to=last,
        count=61,
        reason="because",
        into=into,
        target_kind="webhook",
        target_label=WEBHOOK.target.label,
        queue="reports",
        decided_at=NOW,
        generation=3,
    )
    assert outgoing.message_id == decision_message_id(WEBHOOK.id, NOON)


def test_what_waited_is_released_with_the_order_that_waited() -> None:
    one, cancels = waiting(WEBHOOK), (uuid4(),)
    outgoing, event = published(Release(one, cancels))
    assert event == order(WEBHOOK, SLOT, cancels)
    assert outgoing.subject == subjects.trigger("reports", WEBHOOK.id)
    assert outgoing.message_id == released_message_id(one.execution_id)


def test_what_waited_is_cancelled_under_the_same_id() -> None:
    one = waiting(WEBHOOK)
    outgoing, event = published(Cancel(one, "paused"))
    assert isinstance(event, RunCancelled)
    assert (event.execution_id, event.from_, event.to, event.count) == (one.execution_id, NOON, NOON, 1)
    assert (event.reason, event.generation, event.target_label) == ("paused", 3, WEBHOOK.target.label)
    assert outgoing.message_id == released_message_id(one.execution_id)


def test_what_is_read_back_is_what_was_noted() -> None:
    job, one = KnownJob.of(WEBHOOK), waiting(WEBHOOK)
    for decision in (
        Run(job, NOON, SLOT, (uuid4(),)),
        Wait(job, NOON, SLOT, "spread"),
        Wait(job, NOON, None, "overlap"),
        NotRun(job, NotRunAs.MISSED, NOON, SLOT, 2, "because"),
        Release(one, (uuid4(),)),
        Cancel(one, "paused"),
    ):
        made = message(decision, NOW, 3)
        assert stored(made) == made.entry(5)


def test_runs_that_people_asked_for_and_other_generations_are_no_decisions() -> None:
    facts = RunFacts.of(WEBHOOK, uuid4(), Kind.MANUAL, NOW)
    backfill = RunFacts.of(WEBHOOK, uuid4(), Kind.BACKFILL, NOW)
    orders = [RunTriggered.of(WEBHOOK, facts, 3), RunTriggered.of(WEBHOOK, backfill, 3), order(WEBHOOK)]
    packed = [pack(one, subject="s", source="gateway", event_id="e", time=NOON) for one in orders]
    batch = [StreamMessage(1, one.subject, one.body, one.headers, 0) for one in packed]
    assert list(entries(batch[:2], 3)) == []
    assert list(entries(batch[2:], 4)) == []
    assert len(list(entries(batch, 3))) == 1


def test_a_change_is_read_as_the_whole_event_is() -> None:
    for event in (
        JobCreated(job=WEBHOOK),
        JobUpdated(job=GITHUB, before=GITHUB),
        JobDeleted(before=WEBHOOK, version=8, effective_at=NOON),
    ):
        packed = pack(event, subject="s", source="gateway", event_id="e", time=NOON)
        change = read_change(packed.body, packed.headers)
        assert change is not None
        expected = Change.of(event)
        assert (change.job_id, change.version, change.effective_at) == (
            expected.job_id,
            expected.version,
            expected.effective_at,
        )
        assert (change.job is None) == (event.job is None)
        assert (change.before is None) == (event.before is None)


def test_a_job_that_was_written_before_there_were_rules_for_overlaps_is_read_with_the_defaults() -> None:
    state = WEBHOOK.model_dump(mode="json")
    for newer in ("max_instances", "overlap_policy", "misfire_policy", "pause_after_failures"):
        del state[newer]
    job = KnownJob.read(state)
    assert (job.max_instances, job.overlap_policy.value, job.misfire_policy.value) == (
        1,
        "skip",
        "run_latest",
    )
    assert job.order == KnownJob.of(WEBHOOK).order


def test_what_is_no_job_is_unreadable() -> None:
    for body in (b"[]", b"{", b'{"job": {"id": 1}}', b'{"job": null, "before": {}}'):
        with pytest.raises(UnreadableEvent):
            read_change(body, {"ce-type": "job.updated"})
    assert read_change(b'{"generation": 1}', {"ce-type": "job.seeded"}) is None
    assert read_change(b"{}", None) is None
