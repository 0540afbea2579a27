"""What may happen to a calendar, and to the jobs that follow it."""

from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import pytest

from services.gateway.domain.calendar import (
    MAX_EXCLUSIONS,
    CalendarInUse,
    CalendarNotFound,
    CalendarState,
    CreateCalendar,
    DeleteCalendar,
    InvalidCalendar,
    UpdateCalendar,
    decide,
    evolve,
    exclusion_count,
    job_with_calendar,
    jobs_must_follow,
)
from services.gateway.domain.slug import DuplicateSlug, InvalidSlug
from shared.domain.calendar import Calendar
from shared.domain.schedule import MAX_EXCLUSIONS as MAX_EXCLUSIONS_OF_JOB
from shared.domain.schedule import CalendarUse, CronSchedule, Exclusion, next_fire
from shared.events import CalendarCreated, CalendarDeleted, CalendarUpdated
from tests.fixtures.builders import SOME_TIME, make_calendar, make_exclusion, make_job
from tests.fixtures.decider import Decider

CALENDARS = Decider(CalendarState(), decide, evolve)
given = CALENDARS.given
LATER = SOME_TIME + timedelta(hours=1)
CHRISTMAS = make_exclusion("2026-12-25", "2026-12-26", "Christmas")
FREEZE = make_exclusion("2026-12-20", "2027-01-04")
HOLIDAYS = make_calendar(slug="holidays", name="Holidays", exclusions=(CHRISTMAS,))


def create(**overrides: Any) -> CreateCalendar:
    values = {
        "calendar_id": HOLIDAYS.id,
        "name": "Holidays",
        "slug": "holidays",
        "exclusions": (CHRISTMAS,),
        "now": SOME_TIME,
        "slug_taken": False,
    }
    return CreateCalendar(**{**values, **overrides})


def update(*, slug_taken: bool = False, **changes: Any) -> UpdateCalendar:
    return UpdateCalendar(calendar_id=HOLIDAYS.id, changes=changes, now=LATER, slug_taken=slug_taken)


def after(before: Calendar = HOLIDAYS, **changes: Any) -> CalendarUpdated:
    update = {"version": before.version + 1, "updated_at": LATER, **changes}
    return CalendarUpdated(calendar=before.model_copy(update=update), before=before)


def days(count: int) -> tuple[Exclusion, ...]:
    starts = [date(2027, 1, 1) + timedelta(days=number) for number in range(count)]
    return tuple(make_exclusion(f"{day}", f"{day + timedelta(days=1)}") for day in starts)


def test_a_new_one_has_its_exclusions_in_order() -> None:
    given().when(create()).then(CalendarCreated(calendar=HOLIDAYS))
    both = HOLIDAYS.model_copy(update={"exclusions": (FREEZE, CHRISTMAS)})
    given().when(create(exclusions=(CHRISTMAS, FREEZE))).then(CalendarCreated(calendar=both))


def test_a_slug_is_given_once() -> None:
    given().when(create(slug_taken=True)).then_raises(
        DuplicateSlug, title="Duplicate slug", message='Calendar slug "holidays" already exists.'
    )


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({"name": "Bank Holidays"}, {"name": "Bank Holidays", "slug": "bank-holidays"}),
        ({"name": "HOLIDAYS", "slug_taken": True}, {"name": "HOLIDAYS"}),
        ({"pic_team": "ops"}, {"pic_team": "ops"}),
        ({"exclusions": ()}, {"exclusions": ()}),
        ({"exclusions": (CHRISTMAS, FREEZE)}, {"exclusions": (FREEZE, CHRISTMAS)}),
        ({"slug": "holidays", "pic_team": "ops"}, {"pic_team": "ops"}),
    ],
)
def test_what_is_given_changes(changes: dict[str, Any], shown: dict[str, Any]) -> None:
    given(CalendarCreated(calendar=HOLIDAYS)).when(update(**changes)).then(after(**shown))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"name": "Holidays"},
        {"exclusions": (CHRISTMAS,)},
        {"pic_team": None},
        {"slug": "holidays", "name": "Holidays"},
    ],
)
def test_what_it_is_already_is_no_change(changes: dict[str, Any]) -> None:
    given(CalendarCreated(calendar=HOLIDAYS)).when(update(**changes)).then()


def test_a_slug_of_its_own_stays_with_the_name() -> None:
    japanese = HOLIDAYS.model_copy(update={"name": "祝日"})
    given(CalendarCreated(calendar=japanese)).when(update(name="祝日", exclusions=())).then(
        after(japanese, exclusions=())
    )
    given(CalendarCreated(calendar=japanese)).when(update(name="休日")).then_raises(InvalidSlug)


def test_a_slug_follows_the_name_and_nothing_else() -> None:
    given(CalendarCreated(calendar=HOLIDAYS)).when(update(slug="freezes")).then_raises(
        InvalidCalendar, title="Invalid payload"
    )
    given(CalendarCreated(calendar=HOLIDAYS)).when(update(name="Taken", slug_taken=True)).then_raises(
        DuplicateSlug
    )


def test_it_has_so_many_exclusions_at_most() -> None:
    many = days(MAX_EXCLUSIONS)
    given(CalendarCreated(calendar=HOLIDAYS)).when(update(exclusions=many)).then(after(exclusions=many))
    for command in (create(exclusions=days(MAX_EXCLUSIONS + 1)), update(exclusions=days(MAX_EXCLUSIONS + 1))):
        before = [] if isinstance(command, CreateCalendar) else [CalendarCreated(calendar=HOLIDAYS)]
        given(*before).when(command).then_raises(InvalidCalendar, title="Invalid exclusions")


class TestDeletion:
    def test_one_that_nobody_follows_is_gone_and_its_versions_count_on(self) -> None:
        delete = DeleteCalendar(calendar_id=HOLIDAYS.id, followers=(), follower_count=0)
        gone = CalendarDeleted(before=HOLIDAYS, version=2)
        created = CalendarCreated(calendar=HOLIDAYS)
        given(created).when(delete).then(gone)
        assert CALENDARS.fold(created, gone) == CalendarState(None, 2)
        given(created, gone).when(delete).then_raises(CalendarNotFound, title="Calendar not found")
        given(created, gone).when(update(name="Other")).then_raises(CalendarNotFound)

    @pytest.mark.parametrize(
        ("count", "message"),
        [
            (2, 'Jobs follow the calendar "holidays": "a", "b".'),
            (7, 'Jobs follow the calendar "holidays": "a", "b" and 5 more.'),
        ],
    )
    def test_one_that_jobs_follow_stays(self, count: int, message: str) -> None:
        delete = DeleteCalendar(calendar_id=HOLIDAYS.id, followers=("a", "b"), follower_count=count)
        given(CalendarCreated(calendar=HOLIDAYS)).when(delete).then_raises(
            CalendarInUse, title="Calendar in use", message=message
        )


class TestFollowers:
    def test_only_what_jobs_carry_concerns_them(self) -> None:
        assert jobs_must_follow(after(exclusions=()))
        assert jobs_must_follow(after(slug="other"))
        assert not jobs_must_follow(after(name="HOLIDAYS", pic_team="ops"))

    def test_a_job_takes_the_new_state_and_keeps_the_rest(self) -> None:
        other = CalendarUse(calendar_id=uuid4(), slug="freezes", version=4, exclusions=(FREEZE,))
        schedule = CronSchedule(
            expression="0 2 * * *",
            timezone="Asia/Tokyo",
            exclusions=(FREEZE,),
            calendars=(other, HOLIDAYS.use),
        )
        job = make_job(schedule=schedule, version=3)
        renamed = after(slug="bank", exclusions=()).calendar
        event = job_with_calendar(job, renamed.use, LATER)
        assert (event.before, event.reason) == (job, "calendar")
        expected = schedule.model_copy(update={"calendars": (renamed.use, other)})
        assert event.job == job.model_copy(
            update={"schedule": expected, "version": 4, "updated_at": LATER, "effective_at": LATER}
        )

    def test_versions_follow_one_another_whatever_clocks_say(self) -> None:
        job = make_job(effective_at=LATER)
        event = job_with_calendar(job, HOLIDAYS.use, SOME_TIME)
        assert event.job.effective_at == LATER + timedelta(microseconds=1)

    def test_a_job_of_which_nothing_is_left_still_follows(self) -> None:
        forever = make_exclusion("1970-01-01", "9999-01-01")
        job = make_job()
        event = job_with_calendar(job, after(exclusions=(forever,)).calendar.use, LATER)
        assert next_fire(event.job.schedule.model_copy(update={"end_date": None}), LATER) is None

    def test_no_job_carries_more_than_fits_a_message(self) -> None:
        schedule = CronSchedule(expression="0 2 * * *", timezone="Asia/Tokyo", exclusions=days(101))
        full = after(exclusions=days(MAX_EXCLUSIONS - 1)).calendar.use
        event = job_with_calendar(make_job(schedule=schedule), full, LATER)
        assert exclusion_count(event.job.schedule) == MAX_EXCLUSIONS_OF_JOB
        more = full.model_copy(update={"exclusions": days(MAX_EXCLUSIONS)})
        with pytest.raises(
            InvalidCalendar, match='The job "nightly" would keep still at more than 500 times'
        ):
            job_with_calendar(make_job(name="nightly", schedule=schedule), more, LATER)
