"""Which times match a cron expression on a clock without zones: the next one, and how many there are."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache

from shared.domain.schedule.zones import LAST_YEAR

HORIZON = 50
"""Years; the rarest day, 29 February on a given weekday, is at most 40 years away."""
ON_THE_MINUTE = 1
"""The seconds of an expression that names none."""
_MINUTE = timedelta(minutes=1)
_SIX_WEEKS = sum(1 << 7 * week for week in range(6))  # times a set of weekdays: the same set in every week


@dataclass(frozen=True, slots=True, kw_only=True)
class Cron:
    """A parsed expression. Each field is a set of numbers: bit n is set when n matches; bit 0 of a week is Sunday."""

    seconds: int = ON_THE_MINUTE
    minutes: int
    hours: int
    days: int
    last_day: bool = False
    """Whether the last day of a month matches, too."""
    months: int
    weekdays: int
    nth_weekdays: int = 0
    """Single weekdays of a month that match, too: seven bits for its first of each, seven for its second, up to the fifth."""
    last_weekdays: int = 0
    """Weekdays whose last one in a month matches, too."""
    both_days: bool
    """Whether a day must match both day fields (one of them begins with `*`, as in `*/2`) or either one."""
    wildcard: bool
    """Whether the minute or the hour begins with `*`: cron(8) lets such jobs follow every change of the clock."""

    def following(self, local: datetime) -> datetime | None:
        """The first matching second strictly after `local`, both naive local time; None if there is none."""
        start = (local + _MINUTE).replace(second=0, microsecond=0)
        if self.seconds != ON_THE_MINUTE:
            if (second := at_least(self.seconds, local.second + 1)) is not None and self._is_due(local):
                return local.replace(second=second, microsecond=0)
            start = start.replace(second=lowest(self.seconds))
        year, month = start.year, start.month
        days = self.days_of(year, month)
        if days >> start.day & 1:
            if self.hours >> start.hour & 1 and (minute := at_least(self.minutes, start.minute)) is not None:
                return start.replace(minute=minute)
            if (hour := at_least(self.hours, start.hour + 1)) is not None:
                return start.replace(hour=hour, minute=lowest(self.minutes))
        day = at_least(days, start.day + 1)
        last_year = min(year + HORIZON, LAST_YEAR)
        while day is None:
            if (later := at_least(self.months, month + 1)) is not None:
                month = later
            else:
                year, month = year + 1, lowest(self.months)
            if year > last_year:
                return None
            day = at_least(self.days_of(year, month), 1)
        return start.replace(
            year=year, month=month, day=day, hour=lowest(self.hours), minute=lowest(self.minutes)
        )

    def count(self, after: datetime, until: datetime) -> int:
        """How many times match in (after, until], both naive local time."""
        if until <= after:
            return 0
        first, last = after.date(), until.date()
        found = self._matches_up_to(until) - self._matches_up_to(after)
        return found + self._days_from(first, last) * self._per_day if first < last else found

    def days_of(self, year: int, month: int) -> int:
        """The matching days of a month, as a set: bit 1 is the first."""
        if not self.months >> month & 1:
            return 0
        first_weekday, every_day = _month(year, month)
        dated, weekly = self.days, (self.weekdays * _SIX_WEEKS >> first_weekday) << 1
        if self.last_day:
            dated |= every_day & ~(every_day >> 1)
        if self.last_weekdays:
            last_week = every_day & ~(every_day >> 7)
            weekly |= (self.last_weekdays * _SIX_WEEKS >> first_weekday) << 1 & last_week
        if self.nth_weekdays:
            weekly |= self._nth_weekdays_of(first_weekday)
        return (dated & weekly if self.both_days else dated | weekly) & every_day

    @property
    def _per_day(self) -> int:
        return self.hours.bit_count() * self.minutes.bit_count() * self.seconds.bit_count()

    def _nth_weekdays_of(self, first_weekday: int) -> int:
        days = 0
        for week in range(5):
            weekdays = self.nth_weekdays >> 7 * week & 0b1111111
            days |= (weekdays * _SIX_WEEKS >> first_weekday) << 1 & 0b1111111 << 7 * week + 1
        return days

    def _is_due(self, local: datetime) -> bool:
        """Whether the minute matches."""
        return bool(
            self.minutes >> local.minute & 1
            and self.hours >> local.hour & 1
            and self.days_of(local.year, local.month) >> local.day & 1
        )

    def _matches_up_to(self, local: datetime) -> int:
        """How many times of that day match, up to and including this one."""
        if not self.days_of(local.year, local.month) >> local.day & 1:
            return 0
        per_minute = self.seconds.bit_count()
        found = _below(self.hours, local.hour) * self.minutes.bit_count() * per_minute
        if self.hours >> local.hour & 1:
            found += _below(self.minutes, local.minute) * per_minute
            if self.minutes >> local.minute & 1:
                found += _below(self.seconds, local.second + 1)
        return found

    def _days_from(self, first: date, last: date) -> int:
        """How many days match, from `first` to the day before `last`."""
        year, month = first.year, first.month
        found = -_below(self.days_of(year, month), first.day)
        while (year, month) < (last.year, last.month):
            found += self.days_of(year, month).bit_count()
            year, month = year + month // 12, month % 12 + 1
        return found + _below(self.days_of(year, month), last.day)


def numbers(bits: int) -> list[int]:
    """The numbers in a set, ascending."""
    return [number for number in range(bits.bit_length()) if bits >> number & 1]


def at_least(bits: int, number: int) -> int | None:
    """The lowest number of the set that is at least `number`."""
    rest = bits >> number
    return number + lowest(rest) if rest else None


def lowest(bits: int) -> int:
    """The lowest number of a set that is not empty."""
    return (bits & -bits).bit_length() - 1


def _below(bits: int, number: int) -> int:
    """How many numbers of the set are less than `number`."""
    return (bits & (1 << number) - 1).bit_count()


@lru_cache(maxsize=2048)
def _month(year: int, month: int) -> tuple[int, int]:
    """The weekday of the first (0 is Sunday) and the set of all days."""
    first = date(year, month, 1)
    length = (date(year + month // 12, month % 12 + 1, 1) - first).days
    return first.isoweekday() % 7, (1 << length) - 1 << 1
