"""A zone's time in pieces on which its clock reads each time once: what is left of them where times come twice."""

from bisect import bisect_right
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from operator import attrgetter
from typing import Literal, NamedTuple, TypeAlias

from shared.domain.schedule.zones import CORRECTION, ClockChange, Stretch, local, offset_at, stretches

Fold: TypeAlias = Literal["first", "last", "both"]
"""In which of two passes times count that come twice."""

_end = attrgetter("end")
_NEAR = CORRECTION + timedelta(hours=1)  # a little more than a summer time moves the clock


class Piece(NamedTuple):
    """A piece of a year, [begin, end), in which the zone keeps one offset from UTC."""

    begin: datetime
    end: datetime
    offset: timedelta
    first: datetime
    """The local time from which on times count in it."""
    last: datetime
    """The local time before which they do."""


def piece_at(timezone: str, fold: Fold, instant: datetime) -> Piece:
    """The piece that holds the instant."""
    own = pieces(timezone, fold, instant.year)
    return own[bisect_right(own, instant, key=_end)]


@lru_cache(maxsize=8192)
def pieces(timezone: str, fold: Fold, year: int) -> tuple[Piece, ...]:
    """A year's pieces. Where no time is left out between two of them, one begins to count where the other ends to."""
    own = [stretch for stretch in stretches(timezone, year) if stretch.begin < stretch.end]
    repeats = _repeats(timezone, year) if fold != "both" else []
    return tuple(_piece(stretch, fold, repeats) for stretch in own)


def _piece(stretch: Stretch, fold: Fold, repeats: list[ClockChange]) -> Piece:
    first, last = local(stretch.begin, stretch), local(stretch.end, stretch)
    for change in repeats:
        if fold == "first" and change.at <= stretch.begin:
            first = max(first, _reading(change.at, change.before))
            last = max(last, first)
        elif fold == "last" and stretch.end <= change.at:
            last = min(last, _reading(change.at, change.after))
            first = min(first, last)
    return Piece(stretch.begin, stretch.end, stretch.offset, first, last)


def _repeats(timezone: str, year: int) -> list[ClockChange]:
    """The changes that make times of this year come twice; they may be just before or after it."""
    own = stretches(timezone, year)
    before = stretches(timezone, year - 1) if _differs(timezone, own[0], own[0].begin - _NEAR) else ()
    after = stretches(timezone, year + 1) if _differs(timezone, own[-1], own[-1].end + _NEAR) else ()
    changes = [
        ClockChange(new.begin, old.offset, new.offset) for old, new in pairwise((*before, *own, *after))
    ]
    return [change for change in changes if change.after < change.before and not change.is_correction]


def _differs(timezone: str, stretch: Stretch, instant: datetime) -> bool:
    return offset_at(timezone, instant) != stretch.offset


def _reading(instant: datetime, offset: timedelta) -> datetime:
    return (instant + offset).replace(tzinfo=None)
