"""Servers that are away, slow or choosy: nothing is lost, nothing is sent twice, and nobody else waits."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
import structlog
from aiohttp import web

from services.notifier import courier, pauses
from services.notifier.posting import message
from services.notifier.sent import SentMarks
from shared.bus import subjects
from shared.bus.connect import Unpublished
from shared.bus.reader import StreamMessage, StreamReader
from shared.clock import utc_now
from tests.fixtures.builders import make_job
from tests.fixtures.bus import GENERATION, raise_fence, read_all
from tests.fixtures.eventually import eventually
from tests.fixtures.nats import NatsProcess
from tests.fixtures.notices import mailing_job, make_slack_message, report_of
from tests.fixtures.receiver import Call
from tests.integration.notifier.world import SLACK_PATH, World


class TestMailServer:
    async def test_away_and_back_again(self, world: World) -> None:
        await world.mail_server.stop()
        async with world.notifier():
            await world.report(*(report_of(mailing_job("ops@example.com")) for _ in range(10)))
            await eventually(world.inbox)
            await asyncio.sleep(1)  # some attempts are made meanwhile
            await world.mail_server.start()
            await world.mail_server.wait_for(10)
            await eventually(world.is_quiet)
        assert len(world.mail_server.mails) == 10
        assert len(await world.inbox()) == 10

    async def test_slow_it_delays_nothing_but_mails(self, world: World) -> None:
        world.mail_server.delay = 5.0
        await world.know_slack()
        async with world.notifier():
            await world.report(*(report_of(mailing_job("ops@example.com")) for _ in range(20)))
            await world.mail_server.wait_for(1)
            await world.receiver.wait_for(20, timeout=4)
            assert len(await world.inbox()) == 20
            assert len(world.mail_server.mails) <= 8
            world.mail_server.delay = 0.0
            await world.mail_server.wait_for(20)
            await eventually(world.is_quiet)
        assert len(world.mail_server.mails) == 20

    async def test_a_refused_address_keeps_no_mail_from_the_others(self, world: World) -> None:
        world.mail_server.refusals["gone@example.com"] = "550 5.1.1 <gone@example.com>: no such user"
        with structlog.testing.capture_logs() as logs:
            async with world.notifier():
                await world.report(report_of(mailing_job("gone@example.com", "ops@example.com")))
                await world.mail_server.wait_for(1)
                await eventually(world.is_quiet)
                await world.come_again(subjects.MAIL)
                await asyncio.sleep(0.2)
                await eventually(world.is_quiet)
        assert sorted(world.mail_server.attempts) == ["gone@example.com", "ops@example.com"]
        [given_up] = [log for log in logs if log["event"] == "a notice is given up"]
        assert given_up["log_level"] == "error"
        assert given_up["reason"] == "SMTP 550: 5.1.1 ... no such user"
        assert "gone@example.com" not in str(logs)

    async def test_an_address_that_is_put_off_is_tried_again(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(pauses, "FIRST_DEFERRAL", 0.5)
        world.mail_server.refusals["later@example.com"] = "451 4.7.1 greylisted"
        async with world.notifier():
            await world.report(report_of(mailing_job("later@example.com", "ops@example.com")))
            await world.mail_server.wait_for(1)
            await eventually(lambda: world.mail_server.attempts.count("later@example.com") >= 2)
            del world.mail_server.refusals["later@example.com"]
            await world.mail_server.wait_for(2)
            await eventually(world.is_quiet)
        assert world.mail_server.attempts.count("ops@example.com") == 1
        assert len(world.mail_server.mails) == 2

    @pytest.mark.parametrize(("answer", "attempts"), [("554 5.7.1 spam", 1), ("452 4.3.1 full", 2)])
    async def test_a_mail_that_is_not_taken(
        self, world: World, monkeypatch: pytest.MonkeyPatch, answer: str, attempts: int
    ) -> None:
        monkeypatch.setattr(pauses, "FIRST_DEFERRAL", 0.2)
        world.mail_server.answer = answer
        async with world.notifier():
            await world.report(report_of(mailing_job("ops@example.com")))
            await eventually(lambda: len(world.mail_server.attempts) >= attempts)
            if attempts > 1:
                world.mail_server.answer = "250 taken"
            await eventually(world.is_quiet)
        assert len(world.mail_server.mails) == (1 if attempts > 1 else 0)
        assert len(world.mail_server.attempts) >= attempts

    async def test_a_mail_that_cannot_be_sent_for_a_day_is_given_up(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await world.mail_server.stop()
        later = False
        async with world.notifier(
            clock=lambda: utc_now() + (courier.GIVE_UP if later else courier.GIVE_UP * 0)
        ):
            await world.report(report_of(mailing_job("ops@example.com")))
            await eventually(world.inbox)
            assert not await world.is_quiet()
            later = True
            await eventually(world.is_quiet)
        assert await world.marks() == 1
        assert world.mail_server.attempts == []


class TestCrash:
    async def test_between_sending_and_marking_it_is_sent_once_more_with_the_same_id(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        reached = asyncio.Event()

        async def die(_self: SentMarks, _notification_id: UUID) -> None:
            reached.set()
            raise asyncio.CancelledError

        with monkeypatch.context() as patched:
            patched.setattr(SentMarks, "write", die)
            async with world.notifier():
                await world.report(report_of(mailing_job("ops@example.com")))
                await reached.wait()
        assert await world.marks() == 0
        # What the dead one held would come again after the acknowledgement's time-out.
        await world.come_again(subjects.MAIL)
        async with world.notifier():
            await world.mail_server.wait_for(2)
            await eventually(world.is_quiet)
            await world.come_again(subjects.MAIL)
            await asyncio.sleep(0.2)
            await eventually(world.is_quiet)
        first, second = world.mail_server.mails
        assert first.message["Message-ID"] == second.message["Message-ID"]
        assert len(world.mail_server.mails) == 2

    async def test_a_mark_that_is_not_stored_is_written_later_and_nothing_is_sent_again(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write = SentMarks.write
        failures = 2

        async def fail_at_first(self: SentMarks, notification_id: UUID) -> None:
            nonlocal failures
            if failures:
                failures -= 1
                self._unwritten.add(notification_id)
                raise Unpublished("no answer")
            await write(self, notification_id)

        monkeypatch.setattr(SentMarks, "write", fail_at_first)
        async with world.notifier():
            await world.report(report_of(mailing_job("ops@example.com")))
            await world.mail_server.wait_for(1)
            await eventually(world.is_quiet)
        assert len(world.mail_server.mails) == 1
        assert await world.marks() == 1

    async def test_a_mark_that_is_not_stored_at_once_lets_no_other_notifier_send_again(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write, failed = SentMarks.write, set[UUID]()

        async def fail_at_first(self: SentMarks, notification_id: UUID) -> None:
            if notification_id not in failed:
                failed.add(notification_id)
                self._unwritten.add(notification_id)
                raise Unpublished("no answer")
            await write(self, notification_id)

        monkeypatch.setattr(SentMarks, "write", fail_at_first)
        async with world.notifier(), world.notifier():
            await world.report(*(report_of(mailing_job("ops@example.com")) for _ in range(10)))
            await world.mail_server.wait_for(10)
            await eventually(world.is_quiet)
        assert len(world.mail_server.mails) == 10
        assert await world.marks() == 10

    async def test_it_goes_on_after_a_restart_of_the_bus(
        self, nats_server: NatsProcess, world: World
    ) -> None:
        async with world.notifier():
            await world.report(report_of(mailing_job("ops@example.com")))
            await world.mail_server.wait_for(1)
            await eventually(world.is_quiet)
            await nats_server.stop()
            await eventually(lambda: not world.bus.is_connected)
            await nats_server.start()
            await eventually(lambda: world.bus.is_connected)
            await raise_fence(world.bus, GENERATION)
            await world.report(report_of(mailing_job("ops@example.com")))
            await world.mail_server.wait_for(2)
            await eventually(world.is_quiet)
        assert len(world.mail_server.mails) == 2


class TestSlack:
    @pytest.mark.parametrize("status", [429, 500, 503])
    async def test_out_of_order_it_is_tried_again(self, world: World, status: int) -> None:
        await world.know_slack()
        world.receiver.status = status
        async with world.notifier():
            await world.report(report_of(make_job()))
            await world.receiver.wait_for(1)
            world.receiver.status = 200
            await world.receiver.wait_for(2)
            await eventually(world.is_quiet)
        assert len(world.receiver.calls) == 2

    async def test_it_is_given_the_time_that_it_asks_for(self, world: World) -> None:
        async def slow_down(_call: Call) -> web.StreamResponse:
            first = len(world.receiver.calls) == 1
            return web.Response(status=429 if first else 200, headers={"retry-after": "3"} if first else {})

        world.receiver.handler = slow_down
        await world.know_slack()
        async with world.notifier():
            await world.report(report_of(make_job()), report_of(make_job()))
            calls = await world.receiver.wait_for(3)
            await eventually(world.is_quiet)
        assert calls[1].monotonic - calls[0].monotonic >= 2.9

    @pytest.mark.parametrize("status", [302, 400, 404, 410])
    async def test_a_refusal_is_final(self, world: World, status: int) -> None:
        await world.know_slack()
        world.receiver.status = status
        with structlog.testing.capture_logs() as logs:
            async with world.notifier():
                await world.report(report_of(make_job()))
                await world.receiver.wait_for(1)
                await eventually(world.is_quiet)
        assert len(world.receiver.calls) == 1
        [given_up] = [log for log in logs if log["event"] == "a notice is given up"]
        assert given_up["reason"] == f"HTTP {status}"
        assert SLACK_PATH not in str(logs)

    async def test_an_address_that_the_guard_refuses_is_never_called(self, world: World) -> None:
        await world.know_slack()
        with structlog.testing.capture_logs() as logs:
            async with world.notifier(webhook_allowed_networks=""):
                await world.report(report_of(make_job()))
                await eventually(world.inbox)
                await eventually(world.is_quiet)
        assert world.receiver.calls == []
        assert "the egress guard refuses" in str(logs)
        assert SLACK_PATH not in str(logs)

    async def test_a_url_sealed_with_another_key_waits_for_the_key(self, world: World) -> None:
        other = "another-secret-that-is-long-enough-to-be-one"
        await world.know_slack(secret=other)
        async with world.notifier():
            await world.report(report_of(make_job()))
            await eventually(world.inbox)
            await asyncio.sleep(0.5)  # an attempt is made meanwhile
            assert not await world.is_quiet()
        async with world.notifier(secret_key=other):
            await world.receiver.wait_for(1)
            await eventually(world.is_quiet)

    async def test_away_it_delays_no_mail(self, world: World) -> None:
        await world.know_slack()
        world.receiver.delay = 5.0
        async with world.notifier():
            await world.report(*(report_of(mailing_job("ops@example.com")) for _ in range(10)))
            await world.mail_server.wait_for(10, timeout=4)

    async def test_what_waited_while_no_notifier_was_there_is_posted(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        read_to_end = StreamReader.read_to_end

        async def read_slowly(self: StreamReader) -> AsyncIterator[list[StreamMessage]]:
            await asyncio.sleep(0.5)  # as a directory of many people is
            async for batch in read_to_end(self):
                yield batch

        await world.know_slack()
        await world.bus.publish(message(make_slack_message()))
        monkeypatch.setattr(StreamReader, "read_to_end", read_slowly)
        async with world.notifier():
            await eventually(world.is_quiet)
        assert len(world.receiver.calls) == 1


async def test_what_is_no_notice_is_thrown_away(world: World) -> None:
    await world.bus.nc.flush()
    await world.bus.js.publish(subjects.notice(subjects.MAIL, "x"), b"{")
    async with world.notifier():
        await world.report(report_of(mailing_job("ops@example.com")))
        await world.mail_server.wait_for(1)
        await eventually(world.is_quiet)
    assert len(await read_all(world.bus, subjects.NOTICES)) == 2
