"""From what people give of a schedule to the schedule that is meant; whether it can be kept is another question."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from shared.domain.schedule import (
    CronSchedule,
    IntervalSchedule,
    InvalidSchedule,
    OneShotSchedule,
    Schedule,
    check_classic,
    next_clock_change,
)
from shared.domain.schedule.zones import zone_names

INVALID_SCHEDULE = "Invalid schedule"

_MODELS: dict[str, type[CronSchedule | IntervalSchedule | OneShotSchedule]] = {
    "cron": CronSchedule,
    "interval": IntervalSchedule,
    "once": OneShotSchedule,
}
_COMMON = {"timezone", "start_at", "end_date", "jitter_seconds", "exclusions", "calendars"}
"""What stays when a schedule becomes one of another kind."""
_MOMENTS = ("start_at", "at", "anchor")


def new_schedule(given: Mapping[str, Any], timezone: str, now: datetime) -> Schedule:
    """The schedule that the given fields mean, in `timezone` unless they name another one.

    Beside the fields of the kinds they may have `cron_expression`, five fields as the contracts have them. Times may be
    local ones (`instant_of`). An interval counts from `now` unless they say otherwise. Calendars are for the caller
    to look up: `calendar_names` is passed over. Raises `InvalidSchedule`.
    """
    return _made({"timezone": timezone}, given, now)


def changed_schedule(before: Schedule, given: Mapping[str, Any], now: datetime) -> Schedule:
    """The schedule with the given fields in place of its own, as `new_schedule` takes them.

    Another expression is one of five fields unless they say otherwise; None is that of a schedule that has none.
    Instants stay when the zone changes.
    """
    given = dict(given)
    if given.get("cron_expression") == before.cron_expression:
        given.pop("cron_expression", None)
    return _made({name: getattr(before, name) for name in type(before).model_fields}, given, now)


def instant_of(moment: datetime, timezone: str) -> datetime:
    """The instant, in UTC, that a time with an offset means, or at which clocks in the zone first read a local time.

    A local time that the clocks skip is the instant at which they do so.
    """
    if moment.tzinfo is not None:
        return moment.astimezone(UTC)
    zone = ZoneInfo(timezone)
    instant = moment.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) == moment:
        return instant
    before_it = moment.replace(tzinfo=zone, fold=1).astimezone(UTC)
    change = next_clock_change(timezone, before_it)
    return change.at if change is not None else instant


def _made(kept: Mapping[str, Any], given: Mapping[str, Any], now: datetime) -> Schedule:
    wanted = {
        name: value for name, value in given.items() if name not in ("cron_expression", "calendar_names")
    }
    if "cron_expression" in given:
        if given["cron_expression"] is None:
            raise InvalidSchedule("cron_expression must not be null")
        check_classic(given["cron_expression"])
        wanted["expression"] = given["cron_expression"]
    if "expression" in wanted:
        wanted = {"kind": "cron", "seconds": False, **wanted}
    kind = wanted.get("kind", kept.get("kind"))
    if kind not in _MODELS:
        raise _invalid("A schedule needs a kind: cron, interval or once")
    if kind != kept.get("kind"):
        kept = {name: value for name, value in kept.items() if name in _COMMON}
    if kind == "interval":
        kept = {"anchor": now.replace(microsecond=0), **kept}
    fields = {**kept, **wanted}
    if fields["timezone"] not in zone_names():
        raise InvalidSchedule(f"Unknown time zone: {fields['timezone']!r}", title="Invalid time zone")
    for name in _MOMENTS:
        if fields.get(name) is not None:
            fields[name] = instant_of(fields[name], fields["timezone"])
    if "exclusions" in wanted:
        fields["exclusions"] = tuple(
            sorted(wanted["exclusions"], key=lambda one: (one.begin, one.end, one.note or ""))
        )
    return _MODELS[kind](**fields)


def _invalid(message: str) -> InvalidSchedule:
    return InvalidSchedule(message, title=INVALID_SCHEDULE)
