"""A notifier's warm view of the directory: loaded from the compacted stream, kept up to date from EVENTS."""

import asyncio

import structlog

from services.notifier.directory import Directory
from shared.bus import subjects
from shared.bus.connect import Bus
from shared.bus.envelope import unpack
from shared.bus.pull import ConsumerGone
from shared.bus.reader import StreamMessage, StreamReader
from shared.domain.directory import SlackSettings
from shared.events import UnreadableEvent
from shared.observability import BUS_FAILURES

RETRY = 0.2  # seconds

logger = structlog.get_logger()


class DirectoryReplica:
    """The directory of one generation of the store at a time."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self.directory = Directory()
        """What is known now; complete once `loaded` has returned."""
        self._is_loaded = asyncio.Event()

    async def loaded(self) -> Directory:
        """The directory, once all of it is there."""
        await self._is_loaded.wait()
        return self.directory

    async def slack(self) -> SlackSettings | None:
        """The way to Slack; None while it is off or leads nowhere. Waits until that is known."""
        return (await self.loaded()).slack

    async def run(self) -> None:
        """Load it anew, then follow, for ever; a directory that is no longer followed does not count as loaded."""
        try:
            directory, reader = await self._load()
            self.directory = directory
            self._is_loaded.set()
            logger.info("directory loaded", action="load", people=len(directory))
            async for batch in reader.batches():
                for message in batch:
                    _take(directory, message)
        finally:
            self._is_loaded.clear()

    async def _load(self) -> tuple[Directory, StreamReader]:
        while True:
            directory = Directory()
            # What the compacted stream has not copied yet stands in its source; versions tell what is newer.
            events = StreamReader(self._bus, subjects.EVENTS, subjects=list(subjects.DIRECTORY_EVENTS))
            try:
                for reader in (StreamReader(self._bus, subjects.DIRECTORY), events):
                    async for batch in reader.read_to_end():
                        for message in batch:
                            _take(directory, message)
                        await asyncio.sleep(0)
            except (ConsumerGone, *BUS_FAILURES) as error:
                logger.warning("the directory cannot be read yet", action="load", error=repr(error))
                await asyncio.sleep(RETRY)
            else:
                return directory, events


def _take(directory: Directory, message: StreamMessage) -> None:
    try:
        directory.take(unpack(message.body, message.headers).event)
    except UnreadableEvent:
        # Not why: that would quote addresses.
        logger.error("unreadable event", action="load", subject=message.subject)
