"""When a job is planned: its schedule, and the instants that follow from it. Pure: no clock, no I/O."""

from shared.domain.schedule.checking import (
    MAX_EVERY_SECONDS,
    MAX_EXCLUSIONS,
    MAX_JITTER_SECONDS,
    NeverFires,
    check,
)
from shared.domain.schedule.cron import MAX_LENGTH as MAX_CRON_LENGTH
from shared.domain.schedule.cron import InvalidSchedule, check_classic
from shared.domain.schedule.description import describe_schedule
from shared.domain.schedule.models import (
    CalendarUse,
    CronSchedule,
    Exclusion,
    FoldPolicy,
    GapPolicy,
    IntervalSchedule,
    OneShotSchedule,
    Schedule,
)
from shared.domain.schedule.planning import (
    count_fires,
    fires_between,
    is_excluded,
    latest_fires,
    next_fire,
)
from shared.domain.schedule.words import describe
from shared.domain.schedule.zones import END_OF_TIME, EPOCH, LAST_YEAR, ClockChange, next_clock_change

__all__ = [
    "END_OF_TIME",
    "EPOCH",
    "LAST_YEAR",
    "MAX_CRON_LENGTH",
    "MAX_EVERY_SECONDS",
    "MAX_EXCLUSIONS",
    "MAX_JITTER_SECONDS",
    "CalendarUse",
    "ClockChange",
    "CronSchedule",
    "Exclusion",
    "FoldPolicy",
    "GapPolicy",
    "IntervalSchedule",
    "InvalidSchedule",
    "NeverFires",
    "OneShotSchedule",
    "Schedule",
    "check",
    "check_classic",
    "count_fires",
    "describe",
    "describe_schedule",
    "fires_between",
    "is_excluded",
    "latest_fires",
    "next_clock_change",
    "next_fire",
]
