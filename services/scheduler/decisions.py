"""What becomes of one job's planned instants: of those that are due, and of those that wait.

Pure: two leaders that look at the same instants and the same open runs decide alike; what one of them has decided already,
the other leaves as it is.
"""

from collections.abc import Sequence
from datetime import datetime

from services.scheduler.known_jobs import NO_SLOT
from services.scheduler.misfires import ON_TIME, sort_out
from services.scheduler.outcomes import Decision, Run
from services.scheduler.timetable import Due
from services.scheduler.turns import Standing, take_turns


def decide(dues: Sequence[Due], standing: Standing, horizon: datetime) -> list[Decision]:
    """What becomes of one job's due instants, and of its waiting ones, as of `horizon`.

    A successor reuses the horizon, so that the same instants are late for it.
    """
    is_alone = not standing.open and not standing.waiting and standing.decided is None
    if len(dues) == 1 and is_alone and standing.gone is None:
        [due] = dues
        if due.first == due.until and horizon - due.first <= ON_TIME and due.job.slot == NO_SLOT:
            return [Run(due.job, due.first)]
    runs, missed = sort_out(dues, horizon, standing.decided, standing.gone)
    return [*missed, *take_turns(runs, standing, horizon)]
