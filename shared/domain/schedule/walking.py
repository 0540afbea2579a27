"""A cron expression on the clock of a zone: times that match on the local clock, carried across the changes of its offset.

Clock changes follow Debian cron 3.0pl1 (cron(8) and main() in cron.c) unless the schedule asks for something else. Jobs with
a wildcard minute or hour go by the new clock at once. For the others time goes on evenly: what a gap skipped runs once, right
after it, and what a repeated hour repeats does not run again. A jump beyond three hours is a correction of the clock:
all jobs go by the new time.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

from shared.domain.schedule.cron import parse
from shared.domain.schedule.matching import Cron
from shared.domain.schedule.models import FoldPolicy, GapPolicy
from shared.domain.schedule.pieces import Fold, Piece, piece_at
from shared.domain.schedule.zones import LAST_YEAR, is_correction

_SECOND = timedelta(seconds=1)
_INSTANT = timedelta(microseconds=1)
_APART = timedelta(days=2)  # two changes of a clock are further apart, and none moves it as far


class Rule(NamedTuple):
    """A cron expression, and what becomes of its times where the clock changes."""

    cron: Cron
    runs_skipped: bool
    """Whether times that a change skips run, all together right after it."""
    fold: Fold


@lru_cache(maxsize=16_384)
def read_rule(expression: str, seconds: bool, gap: GapPolicy, fold: FoldPolicy) -> Rule:
    """Reads an expression and what is asked for with it; raises InvalidSchedule if it cannot be read."""
    cron = parse(expression, seconds)
    runs_skipped = not cron.wildcard if gap == "debian" else gap == "run"
    counting: Fold = ("both" if cron.wildcard else "first") if fold == "debian" else fold
    return Rule(cron, runs_skipped, counting)


def walk(rule: Rule, timezone: str, after: datetime) -> Iterator[datetime]:
    """The instants after `after`, ascending."""
    cron, fold = rule.cron, rule.fold
    if after.year > LAST_YEAR:
        return
    piece = piece_at(timezone, fold, after)
    reading = cron.following(_done(piece, after))
    while reading is not None and reading.year <= LAST_YEAR:
        if reading < piece.last:
            yield (reading - piece.offset).replace(tzinfo=UTC)
            reading = cron.following(reading)
            continue
        old, piece = piece, piece_at(timezone, fold, piece.end)  # it ends before the clock reads that
        if piece.first < old.last:
            reading = cron.following(piece.first - _SECOND)
        elif reading < piece.first:
            if _runs_skipped(rule, old, piece):
                yield piece.begin
                reading = cron.following(piece.first)
            else:
                reading = cron.following(piece.first - _SECOND)
        if reading is not None and reading - _APART > piece.last and piece.end - piece.begin > _APART:
            piece = piece_at(timezone, fold, (reading - _APART).replace(tzinfo=UTC))


def tally(rule: Rule, timezone: str, after: datetime, until: datetime) -> int:
    """How many instants are in (after, until]: as many as `walk` finds, but without finding them."""
    cron, fold, found = rule.cron, rule.fold, 0
    piece = piece_at(timezone, fold, after)
    done = _done(piece, after)
    while True:
        found += cron.count(done, min(_reading(piece, until), piece.last - _INSTANT))
        if until < piece.end:
            return found
        old = piece
        piece = piece_at(timezone, fold, old.end)
        if old.last < piece.first and _runs_skipped(rule, old, piece):
            skipped = cron.count(old.last - _SECOND, piece.first - _SECOND)
            found += skipped > 0 and not cron.count(piece.first - _SECOND, piece.first)
        done = piece.first - _SECOND


def _done(piece: Piece, instant: datetime) -> datetime:
    """The local time up to which all has run by then that runs before or in the piece."""
    return max(min(_reading(piece, instant), piece.last - _INSTANT), piece.first - _SECOND)


def _reading(piece: Piece, instant: datetime) -> datetime:
    return (instant + piece.offset).replace(tzinfo=None)


def _runs_skipped(rule: Rule, old: Piece, new: Piece) -> bool:
    return rule.runs_skipped and not is_correction(new.offset - old.offset)
