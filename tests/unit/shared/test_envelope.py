"""Messages are read as they were written; what is no message of ours is told apart from it."""

from datetime import UTC, datetime, timedelta
from typing import Any, get_args
from uuid import UUID, uuid4

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import events
from shared.bus.envelope import MESSAGE_ID, STREAM_SOURCE, Outgoing, pack, source_sequence, unpack
from shared.domain.directory import UiPreferences
from shared.domain.execution import Phase
from shared.events import (
    AccountCreated,
    AccountUpdated,
    AnyEvent,
    CalendarCreated,
    CalendarDeleted,
    CalendarUpdated,
    CategoryCreated,
    CategoryUpdated,
    CheckpointReached,
    Event,
    InstantSettled,
    InstantsMissed,
    InstantsSkipped,
    InstantsUnaccounted,
    JobCreated,
    JobDeleted,
    JobRestored,
    JobsSeeded,
    JobUpdated,
    RunCancelled,
    RunWaiting,
    SchedulerHeard,
    SchedulerSilent,
    SlackSettingsUpdated,
    TeamCreated,
    TeamUpdated,
    UnreadableEvent,
    UserDeleted,
    UserRegistered,
    UserUpdated,
    parse_event,
)
from tests.fixtures.builders import (
    SOME_TIME,
    make_account,
    make_calendar,
    make_category,
    make_exclusion,
    make_facts,
    make_job,
    make_missed,
    make_notification,
    make_report,
    make_team,
    make_trigger,
    make_user,
)
from tests.fixtures.notices import make_mail, make_slack, make_slack_message, person

JOB = make_job(
    metadata={"text": "ä\u2028✓", "numbers": [1, -2.5, 2**53], "nested": {"none": None, "yes": True}}
)
USER, TEAM, CATEGORY, ACCOUNT = make_user(), make_team(), make_category(), make_account()
CALENDAR = make_calendar(exclusions=(make_exclusion("2026-12-24T18:00", "2027-01-02T06:00", "holidays"),))
NOT_RUN = make_missed(JOB, into=uuid4(), count=7)


def values_of(event: Event) -> dict[str, Any]:
    """What another event of the same form is made of."""
    return event.model_dump(exclude={"type"})


EXAMPLES: list[Event] = [
    JobCreated(job=JOB),
    JobUpdated(job=JOB.model_copy(update={"version": 2}), before=JOB),
    JobDeleted(before=JOB, version=2, effective_at=SOME_TIME),
    JobRestored(job=JOB.model_copy(update={"version": 3})),
    JobsSeeded(generation=3),
    UserRegistered(user=USER),
    UserUpdated(
        user=person(version=2, daily_digest=True, ui_preferences=UiPreferences(target_url=True)), before=USER
    ),
    UserDeleted(before=USER, version=2),
    CategoryCreated(category=CATEGORY),
    CategoryUpdated(category=CATEGORY.model_copy(update={"version": 2}), before=CATEGORY),
    TeamCreated(team=TEAM),
    TeamUpdated(team=TEAM.model_copy(update={"version": 2}), before=TEAM),
    AccountCreated(account=ACCOUNT),
    AccountUpdated(account=ACCOUNT.model_copy(update={"version": 2, "members": ()}), before=ACCOUNT),
    CalendarCreated(calendar=CALENDAR),
    CalendarUpdated(calendar=CALENDAR.model_copy(update={"version": 2}), before=CALENDAR),
    CalendarDeleted(before=CALENDAR, version=3),
    InstantsUnaccounted(
        job_id=JOB.id,
        job_name=JOB.name,
        owner_id=JOB.owner_id,
        from_=SOME_TIME,
        to=SOME_TIME,
        count=1,
        at=SOME_TIME,
    ),
    SchedulerSilent(since=SOME_TIME, at=SOME_TIME, bus_is_reachable=False),
    SchedulerHeard(since=SOME_TIME, at=SOME_TIME),
    SlackSettingsUpdated(settings=make_slack(), before=make_slack(is_enabled=False)),
    make_trigger(JOB, redrive=2),
    make_trigger(facts=make_facts(JOB, planned_at=None)),
    RunWaiting(order=make_trigger(JOB, cancels=(uuid4(),)), reason="spread"),
    NOT_RUN,
    InstantsSkipped(**values_of(NOT_RUN)),
    RunCancelled(**values_of(NOT_RUN)),
    InstantSettled(job_id=JOB.id, execution_id=uuid4(), planned_at=SOME_TIME, generation=2),
    CheckpointReached(until=SOME_TIME, events_seq=5, decisions_seq=6, generation=1, catchup_until=SOME_TIME),
    *(make_report(phase) for phase in Phase),
    make_notification(),
    make_mail(),
    make_mail(about="ended", error=None, last_day=SOME_TIME.date()),
    make_slack_message(),
]
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
INSTANTS = st.datetimes(datetime(1970, 1, 2), datetime(9000, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 # bounds are naive


def packed(event: Event, **more: Any) -> Outgoing:
    """A message of the test."""
    return pack(event, subject="test", source="test", event_id="the id", time=SOME_TIME, **more)


def members(union: Any) -> set[type[Event]]:
    """The classes of a union of unions."""
    found = get_args(union)
    return set().union(*(members(one) for one in found)) if found else {union} & all_events()


def all_events() -> set[Any]:
    """Every class of a message that has a name on the wire."""
    return {
        one
        for one in vars(events).values()
        if isinstance(one, type)
        and issubclass(one, Event)
        and "type" in one.__annotations__
        and one is not Event
    }


def test_there_is_an_example_of_every_event() -> None:
    assert {type(event) for event in EXAMPLES} == members(AnyEvent) == all_events()


@pytest.mark.parametrize("event", EXAMPLES, ids=lambda event: event.type)
def test_what_is_packed_is_unpacked(event: Event) -> None:
    message = packed(event, aggregate_version=4, correlation_id="why")
    received = unpack(message.body, message.headers)
    assert received.event == event
    assert type(received.event) is type(event)
    assert (received.event_id, received.aggregate_version, received.correlation_id) == ("the id", 4, "why")


def test_no_two_events_share_a_name() -> None:
    names = [one.model_fields["type"].default for one in all_events()]
    assert len(set(names)) == len(names)


@given(
    error=st.none() | TEXT,
    output=st.none() | TEXT,
    at=INSTANTS,
    attempt=st.integers(0, 2**31),
    duration=st.none() | st.floats(0, 1e9),
    phase=st.sampled_from(Phase),
)
def test_reports_are_read_as_they_were_written(
    error: str | None, output: str | None, at: datetime, attempt: int, duration: float | None, phase: Phase
) -> None:
    report = make_report(phase, at=at, attempt=0, error=error, output=output, duration_seconds=duration)
    report = report.model_copy(update={"attempt": attempt})
    message = packed(report)
    assert unpack(message.body, message.headers).event == report


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=10,
)


@given(metadata=st.dictionaries(TEXT, JSON, max_size=4))
def test_metadata_are_read_as_they_were_written(metadata: dict[str, Any]) -> None:
    message = packed(JobCreated(job=JOB.model_copy(update={"metadata": metadata})))
    event = unpack(message.body, message.headers).event
    assert isinstance(event, JobCreated)
    assert event.job.metadata == metadata


def test_the_headers_are_those_of_cloudevents() -> None:
    message = packed(
        JobsSeeded(generation=1), message_id="m", expected_last=0, aggregate_version=7, causation_id="cause"
    )
    assert message.headers == {
        "ce-specversion": "1.0",
        "ce-id": "the id",
        "ce-source": "/jetcron/test",
        "ce-type": "job.seeded",
        "ce-time": SOME_TIME.isoformat(),
        "ce-dataversion": "1",
        "ce-aggregateversion": "7",
        "ce-causationid": "cause",
        "content-type": "application/json",
        "Nats-Msg-Id": "m",
        "Nats-Expected-Last-Subject-Sequence": "0",
    }
    assert message.message_id == "m"
    assert packed(JobsSeeded(generation=1)).message_id is None
    assert MESSAGE_ID not in packed(JobsSeeded(generation=1)).headers


def test_a_missed_instant_has_the_names_that_are_on_the_wire() -> None:
    body = orjson.loads(packed(make_missed()).body)
    assert {"from", "to", "count", "reason"} <= set(body)
    assert "from_" not in body


@pytest.mark.parametrize(
    ("body", "changed"),
    [
        (b"", {}),
        (b"{", {}),
        (b"\xff\xfe", {}),
        (b"null", {}),
        (b"[1]", {}),
        (b"{}", {}),
        (b'{"generation": "many"}', {}),
        (b'{"generation": 1}', {"ce-type": "job.exploded"}),
        (b'{"generation": 1}', {"ce-type": None}),
        (b'{"generation": 1}', {"ce-id": None}),
        (b'{"generation": 1}', {"ce-dataversion": "2"}),
        (b'{"generation": 1}', {"ce-dataversion": "newest"}),
        (b'{"generation": 1}', {"ce-aggregateversion": "x"}),
    ],
)
def test_what_is_not_one_of_ours_is_unreadable(body: bytes, changed: dict[str, str | None]) -> None:
    headers = {**packed(JobsSeeded(generation=1)).headers, **changed}
    with pytest.raises(UnreadableEvent):
        unpack(body, {name: value for name, value in headers.items() if value is not None})


def test_a_message_without_headers_is_unreadable() -> None:
    with pytest.raises(UnreadableEvent):
        unpack(b"{}", None)


def test_a_naive_time_is_unreadable() -> None:
    body = {**make_notification().body(), "created_at": "2026-11-21T12:00:00"}
    with pytest.raises(UnreadableEvent):
        parse_event("inbox.posted", 1, body)


def test_what_is_wrong_is_told_without_what_it_says() -> None:
    body = {**make_mail(to="ops@example.com").body(), "to": ["ops@example.com"], "job_id": "ops@example.com"}
    with pytest.raises(UnreadableEvent, match=r"notice\.mail\.to: string_type") as refused:
        parse_event("notice.mail", 1, body)
    assert "ops@" not in str(refused.value)


def test_fields_that_a_newer_program_added_are_passed_over() -> None:
    message = packed(JobsSeeded(generation=1))
    body = orjson.dumps({**orjson.loads(message.body), "reason": "new"})
    assert unpack(body, message.headers).event == JobsSeeded(generation=1)


def test_older_versions_are_brought_up_to_date_step_by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(JobsSeeded, "schema_version", 3)
    monkeypatch.setitem(events.UPCASTERS, ("job.seeded", 1), lambda body: {"count": body["n"]})
    monkeypatch.setitem(events.UPCASTERS, ("job.seeded", 2), lambda body: {"generation": body["count"] * 10})
    newest = JobsSeeded(generation=20)
    assert parse_event("job.seeded", 1, {"n": 2}) == newest
    assert parse_event("job.seeded", 2, {"count": 2}) == newest
    assert parse_event("job.seeded", 3, {"generation": 20}) == newest
    with pytest.raises(UnreadableEvent):
        parse_event("job.seeded", 4, {"generation": 20})


def test_the_place_in_the_source_is_the_second_word_of_its_header() -> None:
    assert source_sequence({STREAM_SOURCE: "EVENTS 42 jetcron.events.job.* > ..."}, 7) == 42
    assert source_sequence({}, 7) == 7
    assert source_sequence(None, 7) == 7


def test_missed_instants_carry_what_their_rows_need() -> None:
    missed = make_missed(planned_at=SOME_TIME + timedelta(minutes=1))
    assert isinstance(missed, InstantsMissed)
    assert isinstance(missed.execution_id, UUID)
