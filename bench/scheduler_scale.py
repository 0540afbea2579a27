"""What the scheduler costs with 100,000 jobs, and how late it is when thousands are due: real processes on loopback.

    python -m bench.scheduler_scale                      # everything
    python -m bench.scheduler_scale load --jobs 100000
    python -m bench.scheduler_scale due --jobs 5000
    python -m bench.scheduler_scale steady --jobs 500 --seconds 30

A nats-server, one scheduler (`load`: and another one that takes over), one executor (`--executors`: more) and a receiver in
this process. There is no gateway: jobs are published straight to the bus, and neither ledger nor projector runs beside it
(`bench.due_at_once` measures with all of them). Nothing is asserted: it is a measurement, not a test.
"""

import argparse
from collections.abc import Sequence

import uvloop

from bench.scale.due import measure_due
from bench.scale.load import measure_load
from bench.scale.steady import measure_steady

LOADED = (10_000, 100_000)
DUE = (100, 1_000, 5_000)
STEADY = (500,)
SECONDS = 30


async def main(what: str, jobs: Sequence[int], seconds: int, executors: int) -> None:
    """Measure one after another."""
    if what in ("all", "load"):
        await measure_load(jobs or LOADED)
    if what in ("all", "due"):
        for count in jobs or DUE:
            await measure_due(count, executors)
    if what in ("all", "steady"):
        for count in jobs or STEADY:
            await measure_steady(count, seconds, executors)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="?", choices=["all", "load", "due", "steady"], default="all")
    parser.add_argument("--jobs", type=int, action="append", default=[], help="may be given several times")
    parser.add_argument("--seconds", type=int, default=SECONDS)
    parser.add_argument("--executors", type=int, default=1)
    options = parser.parse_args()
    uvloop.run(main(options.what, options.jobs, options.seconds, options.executors))
