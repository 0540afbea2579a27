"""A program for tests: supervises the stages that its argument describes in JSON."""

import asyncio
import json
import sys

from services.cli.output import Output
from services.cli.supervisor import Backoff, Program, Stage, Supervisor


async def main() -> None:
    description = json.loads(sys.argv[1])
    stages = [
        Stage(
            programs=[Program(name=name, argv=(sys.executable, "-c", code)) for name, code in stage.items()],
            grace_seconds=description["grace_seconds"],
        )
        for stage in description["stages"]
    ]
    output = Output([name for stage in description["stages"] for name in stage])
    try:
        await Supervisor(stages, output, Backoff(first=0.05)).run()
    finally:
        output.close(10.0)


if __name__ == "__main__":
    asyncio.run(main())
