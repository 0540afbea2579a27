"""What a schedule will do: its next instants, those that it passes over, and what somebody should know before using it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

from services.gateway.domain.clock_preview import (
    ChangePreview,
    changes_after,
    effect_in_words,
    is_affected,
    note_on,
    preview_next_change,
)
from services.gateway.domain.cron_preview import HORIZON
from shared.domain.schedule import (
    END_OF_TIME,
    CronSchedule,
    Exclusion,
    NeverFires,
    Schedule,
    check,
    describe_schedule,
    fires_between,
    is_excluded,
    next_fire,
)

MAX_RUNS = 100
MAX_EXCLUDED = 10
SOON = timedelta(days=30)
"""What ends within it ends soon, what begins after it begins late."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRun:
    """A planned instant, in the zone's time, and how a change of the clock affects it."""

    planned: datetime
    note: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PassedOver:
    """An instant that would be planned, and what excludes it: the schedule's own exclusion, or a calendar's."""

    planned: datetime
    exclusion: Exclusion
    calendar: str | None


@dataclass(frozen=True, slots=True)
class Caution:
    """Something that may not be what was meant: a word for programs, and a sentence for people."""

    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulePreview:
    """What a schedule will do after an instant."""

    description: str
    runs: list[PlannedRun]
    passed_over: list[PassedOver]
    change: ChangePreview | None
    warnings: list[Caution]


def simulate(schedule: Schedule, count: int, after: datetime, timeout_seconds: float) -> SchedulePreview:
    """The next `count` instants after `after`, a hundred at most, and what there is to say about them.

    One that never fires has no runs, and a warning that says so. Raises `InvalidSchedule` for what cannot be kept.
    """
    problem = _nothing_left(schedule, after)
    zone = ZoneInfo(schedule.timezone)
    until = min(after, END_OF_TIME - HORIZON) + HORIZON
    instants = list(islice(fires_between(schedule, after, until), MAX_RUNS))
    shown = instants[:count]
    return SchedulePreview(
        description=describe_schedule(schedule),
        runs=[PlannedRun(planned=one.astimezone(zone), note=note_on(schedule, one)) for one in shown],
        passed_over=_passed_over(schedule, after, shown[-1] if shown else until),
        change=preview_next_change(schedule, after),
        warnings=[
            *_about_nothing(schedule, instants, after, problem),
            *_about_its_bounds(schedule, after),
            *_about_the_clock(schedule, after),
            *_about_distances(schedule, instants, timeout_seconds),
        ],
    )


def _nothing_left(schedule: Schedule, after: datetime) -> NeverFires | None:
    try:
        check(schedule, after)
    except NeverFires as problem:
        return problem
    return None


def _without_exclusions(schedule: Schedule) -> Schedule:
    return schedule.model_copy(update={"exclusions": (), "calendars": ()})


def _passed_over(schedule: Schedule, after: datetime, until: datetime) -> list[PassedOver]:
    if not (schedule.exclusions or schedule.calendars):
        return []
    zone = ZoneInfo(schedule.timezone)
    excluded = (
        instant
        for instant in fires_between(_without_exclusions(schedule), after, until)
        if is_excluded(schedule, instant) is not None
    )
    return [_excluded_by(schedule, instant.astimezone(zone)) for instant in islice(excluded, MAX_EXCLUDED)]


def _excluded_by(schedule: Schedule, planned: datetime) -> PassedOver:
    reads = planned.replace(tzinfo=None)
    everything = [
        *((None, one) for one in schedule.exclusions),
        *((use.slug, one) for use in schedule.calendars for one in use.exclusions),
    ]
    calendar, exclusion = next((slug, one) for slug, one in everything if one.begin <= reads < one.end)
    return PassedOver(planned=planned, exclusion=exclusion, calendar=calendar)


def _about_nothing(
    schedule: Schedule, instants: Sequence[datetime], after: datetime, problem: NeverFires | None
) -> Iterator[Caution]:
    if instants:
        return
    message = problem.message if problem is not None else "Nothing is planned up to the last day"
    yield Caution("never_fires", message)
    if next_fire(_without_exclusions(schedule), after) is not None:
        yield Caution("all_excluded", "All that it would plan is excluded.")


def _about_its_bounds(schedule: Schedule, after: datetime) -> Iterator[Caution]:
    if schedule.start_at is not None and schedule.start_at - after > SOON:
        begins = schedule.start_at.astimezone(ZoneInfo(schedule.timezone))
        yield Caution("starts_late", f"Nothing is planned before {begins.isoformat()}.")
    ends_at = schedule.ends_at
    if ends_at is not None and ends_at - after <= SOON:
        verb = "was" if ends_at <= after else "is"
        yield Caution("ends_soon", f"Its last day {verb} {schedule.end_date}.")


def _about_the_clock(schedule: Schedule, after: datetime) -> Iterator[Caution]:
    if not isinstance(schedule, CronSchedule):
        return
    changes = [
        change for change in changes_after(schedule.timezone, after, 2) if is_affected(schedule, change)
    ]
    for change in changes:
        day = (change.at + change.before).date()
        effect = effect_in_words(schedule, change)
        if change.is_forward:
            yield Caution("fires_in_gap", f"It names times that the clock skips on {day}. {effect}")
        else:
            yield Caution("fires_in_fold", f"It names times that come twice on {day}. {effect}")


def _about_distances(
    schedule: Schedule, instants: Sequence[datetime], timeout_seconds: float
) -> Iterator[Caution]:
    distances = [later - earlier for earlier, later in pairwise(instants)]
    if not distances:
        return
    smallest = min(distances).total_seconds()
    if smallest < timeout_seconds:
        yield Caution(
            "denser_than_timeout",
            f"Runs are as close as {smallest:g} s, while one may take {timeout_seconds:g} s: they may overlap.",
        )
    if schedule.jitter_seconds > smallest:
        yield Caution(
            "jitter_exceeds_distance",
            f"Runs are as close as {smallest:g} s, while each may begin up to {schedule.jitter_seconds} s late.",
        )
