"""Jobs with all policies, and what each makes of the instants that it planned while everything was away."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from services.gateway.ledger import WAITS_FOR
from services.scheduler.misfires import COALESCED, MAX_SINGLE, NOT_MADE_UP, ON_TIME, TOO_LATE, TOO_MANY
from services.scheduler.turns import OVERLAP
from tests.fixtures.accounting import FULL_MINUTES, Rhythm
from tests.fixtures.jetcron import Json

ONCE_AFTER = timedelta(minutes=5)
HOUR = timedelta(hours=1)
GRACE = timedelta(minutes=3)
SHORT_GRACE = timedelta(seconds=45)
MANY = 10
"""More than there are instants in the seconds in which they are on time."""
SOME = 5
JITTER_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to become of a planned instant: how it may end, why, and the instant that stands for it."""

    states: tuple[str, ...]
    reason: str | None = None
    into: datetime | None = None


RAN = Verdict(("success",))
CAUGHT_UP = Verdict(("success",), WAITS_FOR["catch_up"])
QUEUED = Verdict(("success",), WAITS_FOR["overlap"])
SPREAD = Verdict(("success",), WAITS_FOR["spread"])
REPLACED = Verdict(("success", "cancelled"))
"""A later one ended it, unless it had ended by itself."""
REPLACED_BY = "Cancelled in favour of the run planned at "


@dataclass(frozen=True, slots=True)
class Outage:
    """What one job planned while all was away, up to the horizon as of which it was decided."""

    instants: list[datetime]
    horizon: datetime
    slot: timedelta

    @property
    def late(self) -> list[datetime]:
        """Those that the job's policy is about."""
        return [instant for instant in self.instants if self.horizon - instant > ON_TIME]

    @property
    def on_time(self) -> list[datetime]:
        """They run whatever becomes of earlier ones."""
        return [instant for instant in self.instants if self.horizon - instant <= ON_TIME]

    def within(self, grace: timedelta) -> list[datetime]:
        """The late ones that are not too late."""
        return [instant for instant in self.late if self.horizon - instant <= grace]


Verdicts = dict[datetime, Verdict]


def latest_runs(outage: Outage, grace: timedelta = HOUR) -> Verdicts:
    """The latest stands for all; those on time run too."""
    stand_in = next(iter([*outage.on_time[:1], *outage.within(grace)[-1:]]), None)
    why = TOO_LATE if stand_in is None else COALESCED
    verdicts = dict.fromkeys(outage.late, Verdict(("missed",), why, stand_in))
    verdicts |= dict.fromkeys(outage.on_time, RAN)
    return verdicts if stand_in is None else {**verdicts, stand_in: RAN}


def none_runs(outage: Outage) -> Verdicts:
    """But those on time."""
    missed = Verdict(("missed",), NOT_MADE_UP)
    return {**dict.fromkeys(outage.late, missed), **dict.fromkeys(outage.on_time, RAN)}


def all_run(
    outage: Outage, *, at_once: int = 1, grace: timedelta = HOUR, on_time: Verdict | None = None
) -> Verdicts:
    """One after another; what is on time finds them at work."""
    run = outage.within(grace)[-MAX_SINGLE:]
    verdicts = dict.fromkeys(outage.late, Verdict(("missed",), TOO_LATE))
    verdicts |= dict.fromkeys(outage.within(grace), Verdict(("missed",), TOO_MANY))
    verdicts |= {instant: RAN if place < at_once else CAUGHT_UP for place, instant in enumerate(run)}
    return verdicts | dict.fromkeys(outage.on_time, on_time or Verdict(("skipped",), OVERLAP, run[0]))


def overlapping(outage: Outage, others_are: Verdict | None = None) -> Verdicts:
    """The latest runs, and the others that are on time come while it does."""
    first, *others = outage.on_time
    skipped = Verdict(("skipped",), OVERLAP, first)
    return {**latest_runs(outage), **dict.fromkeys(others, others_are or skipped)}


def replacing(outage: Outage) -> Verdicts:
    """Each one that is on time ends the one before; the last one may be in the way of the next, due at any moment."""
    return {**latest_runs(outage), **dict.fromkeys(outage.on_time, REPLACED)}


def spread(outage: Outage) -> Verdicts:
    """What runs has waited if its slot had not come."""
    verdicts = latest_runs(outage)
    wait = [one for one in verdicts if verdicts[one] == RAN and one + outage.slot > outage.horizon]
    return verdicts | dict.fromkeys(wait, SPREAD)


@dataclass(frozen=True, slots=True)
class Case:
    """A job, and what its ledger must say of the outage."""

    name: str
    seconds: int | None
    """Between its instants; 60 is a cron expression, None a single instant."""
    verdicts: Callable[[Outage], Verdicts]
    fields: Json = field(default_factory=dict)
    at_once: int = MANY
    """So many of its runs may be seen together."""
    jitter_seconds: int = 0

    def schedule(self, start: datetime) -> Json:
        """As the API takes it."""
        shared = {
            "start_at": start.isoformat(),
            "timezone": "Europe/Berlin",
            "jitter_seconds": self.jitter_seconds,
        }
        match self.seconds:
            case None:
                return {**shared, "kind": "once", "at": (start + ONCE_AFTER).isoformat()}
            case 60:
                return {**shared, "kind": "cron", "expression": "* * * * *"}
            case seconds:
                return {**shared, "kind": "interval", "every_seconds": seconds, "anchor": start.isoformat()}

    def rhythm(self, start: datetime) -> Rhythm:
        """The same as arithmetic."""
        match self.seconds:
            case None:
                return Rhythm(start + ONCE_AFTER, HOUR)
            case 60:
                return FULL_MINUTES
            case seconds:
                return Rhythm(start, timedelta(seconds=seconds))

    def planned(self, start: datetime, horizon: datetime) -> list[datetime]:
        """Its instants of the outage."""
        return self.rhythm(start).between(start, horizon) if self.fields.get("is_active", True) else []


def _run_all(max_instances: int = 1, **fields: Any) -> Json:
    return {"misfire_policy": "run_all", "max_instances": max_instances, **fields}


def _grace(grace: timedelta) -> Json:
    return {"misfire_grace_seconds": int(grace.total_seconds())}


CASES = (
    Case("latest-minutely", 60, latest_runs),
    Case("latest-7s", 7, latest_runs, {"max_instances": MANY}),
    Case("latest-3s", 3, latest_runs, {"max_instances": MANY}),
    Case("latest-graceless", 60, lambda outage: latest_runs(outage, SHORT_GRACE), _grace(SHORT_GRACE)),
    Case("skip-minutely", 60, none_runs, {"misfire_policy": "skip"}),
    Case("skip-3s", 3, none_runs, {"misfire_policy": "skip", "max_instances": MANY}),
    Case("all-minutely", 60, all_run, _run_all(), at_once=1),
    Case("all-7s", 7, lambda outage: all_run(outage, at_once=SOME), _run_all(SOME), at_once=SOME),
    Case(
        "all-5s",
        5,
        lambda outage: all_run(outage, on_time=QUEUED),
        _run_all(overlap_policy="queue"),
        at_once=1,
    ),
    Case(
        "all-within-grace",
        60,
        lambda outage: all_run(outage, grace=GRACE),
        {**_run_all(), **_grace(GRACE)},
        at_once=1,
    ),
    Case("overlap-skip", 4, overlapping, at_once=1),
    Case(
        "overlap-queue",
        4,
        lambda outage: overlapping(outage, QUEUED),
        {"overlap_policy": "queue"},
        at_once=1,
    ),
    Case("overlap-cancel", 4, replacing, {"overlap_policy": "cancel_running"}),
    Case("spread", 60, spread, jitter_seconds=JITTER_SECONDS),
    Case("once", None, latest_runs),
    Case("once-graceless", None, lambda outage: latest_runs(outage, SHORT_GRACE), _grace(SHORT_GRACE)),
    Case("paused", 7, lambda _outage: {}, {"is_active": False}),
)
