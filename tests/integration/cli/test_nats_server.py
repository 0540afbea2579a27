"""The embedded nats-server, as its clients and the next start see it."""

import asyncio
import os
import socket
import subprocess
from pathlib import Path

import nats
import pytest
from nats.aio.client import Client
from nats.errors import Error as NatsError

from services.cli import nats_server as embedded
from tests.fixtures.nats import NatsProcess


async def store_one(server: NatsProcess) -> None:
    client = await connect(server)
    await client.jetstream().add_stream(name="THINGS", subjects=["things"])
    await client.jetstream().publish("things", b"kept")
    await client.close()


async def stored(server: NatsProcess) -> list[bytes | None]:
    client = await connect(server)
    try:
        streams = await client.jetstream().streams_info()
        return [
            (await client.jetstream().get_last_msg(str(stream.config.name), "things")).data
            for stream in streams
        ]
    finally:
        await client.close()


async def connect(server: NatsProcess) -> Client:
    return await nats.connect(server.url, allow_reconnect=False)


class TestServer:
    async def test_its_password_opens_it(self, nats_server: NatsProcess) -> None:
        client = await connect(nats_server)
        assert client.is_connected
        assert client.max_payload == 2**20
        await client.close()

    @pytest.mark.parametrize("credentials", ["", "jetcron:wrong@"])
    async def test_without_it_nobody_comes_in(self, nats_server: NatsProcess, credentials: str) -> None:
        async def ignore(_: Exception) -> None:
            return

        client = Client()
        try:
            with pytest.raises(NatsError, match=r"(?i)authorization"):
                await client.connect(
                    f"nats://{credentials}127.0.0.1:{nats_server.port}",
                    allow_reconnect=False,
                    error_cb=ignore,
                )
        finally:
            await client.close()

    async def test_it_listens_on_loopback_only(self, nats_server: NatsProcess) -> None:
        assert '"listen": "127.0.0.1:' in (nats_server.data_dir / "nats.conf").read_text()

    async def test_what_was_stored_survives_a_kill(self, nats_server: NatsProcess) -> None:
        await store_one(nats_server)
        port = nats_server.port
        await nats_server.kill()
        await nats_server.start()
        assert nats_server.port == port
        assert await stored(nats_server) == [b"kept"]

    async def test_what_was_stored_survives_a_stop(self, nats_server: NatsProcess) -> None:
        await store_one(nats_server)
        await nats_server.stop()
        await nats_server.start()
        assert await stored(nats_server) == [b"kept"]

    async def test_a_deleted_store_is_empty(self, nats_server: NatsProcess) -> None:
        await store_one(nats_server)
        await nats_server.stop()
        nats_server.delete_store()
        await nats_server.start()
        assert await stored(nats_server) == []

    async def test_the_password_is_in_private_files_and_in_no_command_line(
        self, nats_server: NatsProcess
    ) -> None:
        password = embedded.password_for(nats_server.data_dir)
        for name in ("nats.password", "nats.conf"):
            path = nats_server.data_dir / name
            assert password in path.read_text()
            assert path.stat().st_mode & 0o777 == 0o600
        assert password not in " ".join(embedded.command(nats_server.data_dir / "nats.conf"))


class TestReadiness:
    async def test_another_server_on_the_port_is_not_taken_for_ours(self, nats_server: NatsProcess) -> None:
        await embedded.wait_until_ready(nats_server.port, 30.0)
        with pytest.raises(TimeoutError, match="did not answer"):
            await embedded.wait_until_ready(nats_server.port, 0.1, "somebody-else")

    async def test_a_listener_that_is_no_nats_server_is_not_ready(self) -> None:
        async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"220 mail\r\n")
            writer.close()

        other = await asyncio.start_server(greet, "127.0.0.1", 0)
        async with other:
            with pytest.raises(TimeoutError):
                await embedded.wait_until_ready(other.sockets[0].getsockname()[1], 0.1)


class TestFreePort:
    def test_it_can_be_listened_on_and_is_not_handed_out_while_it_is(self) -> None:
        with socket.socket() as listener:
            port = embedded.free_port()
            listener.bind(("127.0.0.1", port))
            listener.listen()
            assert port in embedded.PORTS
            assert port not in {embedded.free_port() for _ in range(50)}


class TestLeftover:
    async def test_a_server_of_an_earlier_run_is_stopped(self, nats_server: NatsProcess) -> None:
        pid = nats_server.pid
        assert await asyncio.to_thread(embedded.stop_leftover, nats_server.data_dir) == pid
        await nats_server.stop()  # it has ended: this only collects it
        assert await asyncio.to_thread(embedded.stop_leftover, nats_server.data_dir) is None

    def test_a_process_that_got_the_old_number_is_left_alone(self, tmp_path: Path) -> None:
        embedded.write_config(tmp_path, 4222, "password")
        other = subprocess.Popen(["/bin/sleep", "600"])
        try:
            embedded.pid_file(tmp_path).write_text(str(other.pid))
            assert embedded.stop_leftover(tmp_path) is None
            assert other.poll() is None
        finally:
            other.kill()
            other.wait()

    @pytest.mark.parametrize("content", ["", "no number", "999999999"])
    def test_a_useless_note_is_ignored(self, tmp_path: Path, content: str) -> None:
        embedded.pid_file(tmp_path).write_text(content)
        assert embedded.stop_leftover(tmp_path) is None
        assert os.listdir(tmp_path) == ["nats.pid"]
