"""What a cron expression says, in plain English."""

from shared.domain.schedule.cron import parse
from shared.domain.schedule.matching import ON_THE_MINUTE, Cron, numbers

_MAX_TIMES = 6  # as many times of day are named one by one
_ALL_MINUTES, _ALL_HOURS = (1 << 60) - 1, (1 << 24) - 1
_ALL_DAYS, _ALL_MONTHS, _ALL_WEEKDAYS = (1 << 32) - 2, (1 << 13) - 2, (1 << 7) - 1
_MONTHS = (
    "", "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_ORDINALS = ("first", "second", "third", "fourth", "fifth")
_WEEKDAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")


def describe(expression: str, seconds: bool = False) -> str:
    """The expression in words, such as "At 09:00 AM on Monday through Friday"; InvalidSchedule if it cannot be parsed.

    With `seconds` it has six fields, seconds first.
    """
    cron = parse(expression, seconds)
    return " ".join(part for part in (_times(cron), _days(cron)) if part)


def _times(cron: Cron) -> str:
    return _minutes(cron) if cron.seconds == ON_THE_MINUTE else _seconds(cron)


def _minutes(cron: Cron) -> str:
    minutes, hours = numbers(cron.minutes), numbers(cron.hours)
    every_hour = cron.hours == _ALL_HOURS
    if (gap := _rhythm(minutes, 60)) is not None and len(minutes) > 1:
        every = "Every minute" if gap == 1 else f"Every {gap} minutes"
        if every_hour:
            return every
        if _is_run(hours):
            return f"{every} from {_clock(hours[0], 0)} through {_clock(hours[-1], 59)}"
        return f"{every} past {_counted('hour', hours)}"
    if every_hour:
        return "Every hour" if minutes == [0] else f"At {_counted('minute', minutes)} past every hour"
    if len(minutes) == 1 and len(hours) > 2 and (gap := _rhythm(hours, 24)) is not None:
        return f"Every {gap} hours" + (f" at minute {minutes[0]}" if minutes != [0] else "")
    if len(minutes) * len(hours) <= _MAX_TIMES:
        return "At " + _joined([_clock(hour, minute) for hour in hours for minute in minutes])
    return f"At {_counted('minute', minutes)} past {_counted('hour', hours)}"


def _seconds(cron: Cron) -> str:
    seconds, minutes, hours = numbers(cron.seconds), numbers(cron.minutes), numbers(cron.hours)
    if len(seconds) * len(minutes) * len(hours) <= _MAX_TIMES:
        times = [_clock(hour, minute, second) for hour in hours for minute in minutes for second in seconds]
        return "At " + _joined(times)
    gap = _rhythm(seconds, 60) if len(seconds) > 1 else None
    if cron.minutes == _ALL_MINUTES:
        every = f"At {_counted('second', seconds)} of every minute" if gap is None else _every_second(gap)
        return every + _minutes(cron).removeprefix("Every minute")
    every = f"At {_counted('second', seconds)}" if gap is None else _every_second(gap)
    if len(minutes) * len(hours) <= _MAX_TIMES:
        return f"{every} of the minute at {_joined([_clock(hour, minute) for hour in hours for minute in minutes])}"
    if len(minutes) == 1:
        past = "every hour" if cron.hours == _ALL_HOURS else _counted("hour", hours)
        return f"{every}, at {_counted('minute', minutes)} past {past}"
    words = _minutes(cron)
    return f"{every}, {words[0].lower()}{words[1:]}"


def _every_second(gap: int) -> str:
    return "Every second" if gap == 1 else f"Every {gap} seconds"


def _days(cron: Cron) -> str:
    months = "" if cron.months == _ALL_MONTHS else _spoken(numbers(cron.months), _MONTHS)
    dated, weekly = cron.days != _ALL_DAYS, cron.weekdays != _ALL_WEEKDAYS
    if not cron.both_days and not (dated and weekly):  # either one suffices, and one of them is every day
        dated = weekly = False
    weekdays, dates = _weekdays(cron), f"on {_dates(cron)} of {months or 'every month'}"
    if dated and weekly:
        either = f"{dates} if it is {weekdays}" if cron.both_days else f"{dates} or on {weekdays}"
        return f"{either} in {months}" if months and not cron.both_days else either
    if dated:
        return dates
    if weekly:
        month = f" in {months}" if months else (" of every month" if _names_weeks(cron) else "")
        return f"on {weekdays}{month}"
    day = "every day" if _names_times(cron) else ""
    return " ".join(part for part in (day, f"in {months}" if months else "") if part)


def _dates(cron: Cron) -> str:
    days = numbers(cron.days)
    words = [_counted("day", days)] if days else []
    return " and ".join([*words, "the last day"] if cron.last_day else words)


def _weekdays(cron: Cron) -> str:
    words = [_spoken(numbers(cron.weekdays), _WEEKDAYS)] if cron.weekdays else []
    words += [f"the {_ORDINALS[nth // 7]} {_WEEKDAYS[nth % 7]}" for nth in numbers(cron.nth_weekdays)]
    words += [f"the last {_WEEKDAYS[weekday]}" for weekday in numbers(cron.last_weekdays)]
    return _joined(words)


def _names_weeks(cron: Cron) -> bool:
    return bool(cron.nth_weekdays or cron.last_weekdays)


def _names_times(cron: Cron) -> bool:
    """Whether the times are those of a day, so that it must be said which days."""
    times = _times(cron)
    return cron.hours != _ALL_HOURS and (times.startswith("At ") or " of the minute at " in times)


def _clock(hour: int, minute: int, second: int | None = None) -> str:
    seconds = "" if second is None else f":{second:02}"
    return f"{(hour + 11) % 12 + 1:02}:{minute:02}{seconds} {'AM' if hour < 12 else 'PM'}"


def _rhythm(values: list[int], size: int) -> int | None:
    """The constant distance between the values, if they go on evenly from 0 and over the end; else None."""
    gap = size // len(values)
    return gap if values == list(range(0, size, gap)) else None


def _is_run(values: list[int]) -> bool:
    return values == list(range(values[0], values[-1] + 1))


def _counted(noun: str, values: list[int]) -> str:
    return f"{noun}{'s' if len(values) > 1 else ''} {_spoken(values)}"


def _spoken(values: list[int], names: tuple[str, ...] | None = None) -> str:
    """Numbers or their names as a list, with three and more neighbours as a range."""
    runs: list[list[int]] = []
    for value in values:
        if runs and runs[-1][-1] == value - 1:
            runs[-1].append(value)
        else:
            runs.append([value])
    words = []
    for run in runs:
        said = [names[value] if names else str(value) for value in run]
        words += [f"{said[0]} through {said[-1]}"] if len(said) > 2 else said
    return _joined(words)


def _joined(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
