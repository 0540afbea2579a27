"""Who guesses passwords is slowed down; who knows one is not, whatever the others do."""

import asyncio
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from services.cli.nats_server import free_port
from services.gateway.auth import passwords
from services.gateway.auth.passwords import Passwords
from services.gateway.commands import throttling
from services.gateway.commands.throttling import Limit
from services.gateway.commands.users import create_admin, register_user, update_user
from services.gateway.domain.actor import SYSTEM, Role
from services.gateway.store.database import Database
from services.gateway.store.tables import known_addresses, login_failures, users
from tests.fixtures.database import rows_of
from tests.fixtures.eventually import eventually
from tests.fixtures.gateway import (
    NOBODY_LISTENS,
    PASSWORD,
    QUICK_HASH,
    MovableClock,
    client_of,
    gateway_settings,
    running_app,
)

ROOT = Path(__file__).parents[3]
HOME, CAFE = "198.51.100.7", "203.0.113.9"
RIGHT, WRONG, THROTTLED = 200, 401, 429


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """Two replicas on one database, behind a proxy on this machine that says who calls."""

    clock: MovableClock
    apps: list[FastAPI]
    clients: list[httpx.AsyncClient]

    @property
    def database(self) -> Database:
        database: Database = self.apps[0].state.gateway.database
        return database

    async def knock(
        self, login: str, password: str, address: str = HOME, *, replica: int = 0, form: bool = False
    ) -> httpx.Response:
        """Try to log in from an address."""
        fields, headers = {"username": login, "password": password}, {"X-Forwarded-For": address}
        client = self.clients[replica]
        if form:
            return await client.post("/auth/login/form", data=fields, headers=headers)
        return await client.post("/auth/login", json=fields, headers=headers)

    async def fail(self, login: str = "grace", address: str = HOME, times: int = 1) -> list[int]:
        """Give a wrong password so many times; returns the statuses."""
        return [(await self.knock(login, "wrong horse", address)).status_code for _ in range(times)]


@pytest.fixture
async def door(database_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Door]:
    """`grace` and `alan` can log in."""
    monkeypatch.setattr(passwords, "_argon2id", QUICK_HASH)
    clock = MovableClock()
    settings = gateway_settings(database_url, trusted_proxies="127.0.0.1, 10.0.0.0/8")
    async with AsyncExitStack() as stack:
        apps = [await stack.enter_async_context(running_app(settings, clock)) for _ in range(2)]
        for name in ("grace", "alan"):
            await register_user(
                apps[0].state.gateway,
                username=name,
                email=f"{name}@example.com",
                password=PASSWORD,
                role=Role.USER,
                actor=SYSTEM,
            )
        clients = [await stack.enter_async_context(client_of(app)) for app in apps]
        yield Door(clock=clock, apps=apps, clients=clients)


@pytest.fixture
def low_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The wide limits, reached sooner."""
    monkeypatch.setattr(throttling, "PER_ADDRESS", Limit(7, timedelta(minutes=15)))
    monkeypatch.setattr(throttling, "PER_LOGIN", Limit(8, timedelta(hours=1)))


def test_the_limits_are_the_documented_ones() -> None:
    assert (
        Limit(5, timedelta(minutes=15)),
        Limit(100, timedelta(minutes=15)),
        Limit(100, timedelta(hours=1)),
    ) == (throttling.PER_PAIR, throttling.PER_ADDRESS, throttling.PER_LOGIN)


class TestOneLoginFromOneAddress:
    async def test_after_five_failures_not_even_the_right_password_is_taken(self, door: Door) -> None:
        assert await door.fail(times=6) == [WRONG] * 5 + [THROTTLED]
        answer = await door.knock("grace", PASSWORD)
        assert (answer.status_code, answer.headers["Retry-After"]) == (THROTTLED, "900")
        assert answer.json() == {"error": "Too many failed logins", "message": "Try again in 900 seconds"}

    async def test_it_ends_when_the_oldest_failure_is_fifteen_minutes_old(self, door: Door) -> None:
        await door.fail()
        door.clock.advance(minutes=5)
        await door.fail(times=4)
        door.clock.advance(minutes=9, seconds=59.5)
        answer = await door.knock("grace", PASSWORD)
        assert (answer.status_code, answer.headers["Retry-After"]) == (THROTTLED, "1")
        door.clock.advance(seconds=0.5)
        # One more is free now, not five.
        assert await door.fail(times=2) == [WRONG, THROTTLED]

    async def test_it_holds_over_replicas_and_for_json_form_and_both_contracts(self, door: Door) -> None:
        url = f"{door.apps[1].state.origin}/api/auth/login"
        headers, body = {"X-Forwarded-For": HOME}, {"username": "grace", "password": "wrong horse"}
        answers = [
            await door.knock("grace", "wrong horse"),
            await door.knock("grace", "wrong horse", form=True),
            await door.knock("grace", "wrong horse", replica=1),
            await door.knock("grace", "wrong horse", replica=1, form=True),
            await door.clients[1].post(url, json=body, headers=headers),
        ]
        assert {answer.status_code for answer in answers} == {WRONG}
        for replica in (0, 1):
            for form in (False, True):
                answer = await door.knock("grace", PASSWORD, replica=replica, form=form)
                assert (answer.status_code, answer.headers["Retry-After"]) == (THROTTLED, "900")

    async def test_it_is_told_of_unknown_and_disabled_users_just_the_same(self, door: Door) -> None:
        rows = await rows_of(door.database, users)
        [alan] = [row["id"] for row in rows if row["username"] == "alan"]
        await update_user(door.apps[0].state.gateway, alan, {"is_active": False}, SYSTEM)
        seen = {name: await door.fail(name, times=6) for name in ("grace", "nobody")}
        seen["alan"] = [(await door.knock("alan", PASSWORD)).status_code for _ in range(6)]
        assert set(map(tuple, seen.values())) == {(*[WRONG] * 5, THROTTLED)}
        bodies = [(await door.knock(name, "wrong horse")).json() for name in seen]
        assert bodies == [bodies[0]] * 3

    async def test_other_addresses_and_other_logins_go_on(self, door: Door) -> None:
        await door.fail(times=5)
        assert (await door.knock("grace", PASSWORD, CAFE)).status_code == RIGHT
        assert (await door.knock("alan", PASSWORD)).status_code == RIGHT

    async def test_a_success_clears_the_failures_of_its_pair(self, door: Door) -> None:
        await door.fail(times=4)
        await door.fail("alan", times=5)
        assert (await door.knock("grace", PASSWORD)).status_code == RIGHT
        assert await door.fail(times=6) == [WRONG] * 5 + [THROTTLED]
        assert await door.fail("alan") == [THROTTLED]

    async def test_what_does_not_validate_does_not_count(self, door: Door) -> None:
        for _ in range(6):
            assert (await door.knock("grace", "")).status_code == 400
        assert (await door.knock("grace", PASSWORD)).status_code == RIGHT
        assert await rows_of(door.database, login_failures) == []

    async def test_two_spellings_of_a_login_are_one(self, door: Door) -> None:
        spellings = ("grace@example.com", "GRACE@example.com", " grace@example.com", "Grace@Example.Com ")
        assert [(await door.fail(login))[0] for login in spellings] == [WRONG] * 4
        assert await door.fail("grace@EXAMPLE.com", times=2) == [WRONG, THROTTLED]

    async def test_the_throttled_answer_costs_no_hash(
        self, door: Door, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await door.fail(times=5)
        verified = []
        verify = Passwords.verify

        async def counted(self: Passwords, password: str, hashed: str | None) -> bool:
            verified.append(password)
            return await verify(self, password, hashed)

        monkeypatch.setattr(Passwords, "verify", counted)
        assert (await door.knock("grace", PASSWORD)).status_code == THROTTLED
        assert verified == []
        assert (await door.knock("alan", PASSWORD)).status_code == RIGHT
        assert verified == [PASSWORD]

    async def test_of_many_guesses_at_once_five_are_answered(self, door: Door) -> None:
        answers = await asyncio.gather(
            *(door.knock("grace", "wrong horse", replica=number % 2) for number in range(30))
        )
        assert Counter(answer.status_code for answer in answers) == {WRONG: 5, THROTTLED: 25}

    async def test_many_logins_at_once_that_are_right_are_all_let_in(self, door: Door) -> None:
        answers = await asyncio.gather(
            *(door.knock("grace", PASSWORD, replica=number % 2) for number in range(20))
        )
        assert {answer.status_code for answer in answers} == {RIGHT}


@pytest.mark.usefixtures("low_limits")
class TestWideLimits:
    async def test_one_address_has_so_many_failures_over_all_logins(self, door: Door) -> None:
        statuses = [status for number in range(8) for status in await door.fail(f"nobody_{number}")]
        assert statuses == [WRONG] * 7 + [THROTTLED]
        answer = await door.knock("grace", PASSWORD)
        assert (answer.status_code, answer.headers["Retry-After"]) == (THROTTLED, "900")
        assert (await door.knock("grace", PASSWORD, CAFE)).status_code == RIGHT
        door.clock.advance(minutes=15)
        assert (await door.knock("grace", PASSWORD)).status_code == RIGHT

    async def test_one_login_has_so_many_failures_over_all_addresses(self, door: Door) -> None:
        statuses = [status for number in range(9) for status in await door.fail(address=f"192.0.2.{number}")]
        assert statuses == [WRONG] * 8 + [THROTTLED]
        answer = await door.knock("grace", PASSWORD)
        assert (answer.status_code, answer.headers["Retry-After"]) == (THROTTLED, "3600")
        door.clock.advance(minutes=59)
        assert (await door.knock("grace", PASSWORD)).status_code == THROTTLED
        door.clock.advance(minutes=1)
        assert (await door.knock("grace", PASSWORD)).status_code == RIGHT

    async def test_where_somebody_has_logged_in_before_others_do_not_lock_them_out(self, door: Door) -> None:
        assert (await door.knock("grace", PASSWORD)).status_code == RIGHT
        for number in range(8):
            await door.fail(address=f"192.0.2.{number}")
            await door.fail(f"nobody_{number}")
        assert (await door.knock("grace", PASSWORD, CAFE)).status_code == THROTTLED
        assert (await door.knock("alan", PASSWORD)).status_code == THROTTLED
        assert (await door.knock("grace", PASSWORD)).status_code == RIGHT

    async def test_but_their_own_failures_there_do(self, door: Door) -> None:
        assert (await door.knock("grace", PASSWORD)).status_code == RIGHT
        assert await door.fail(times=6) == [WRONG] * 5 + [THROTTLED]
        assert (await door.knock("grace", PASSWORD)).status_code == THROTTLED


class TestKept:
    async def test_no_name_that_was_typed_can_be_read(self, door: Door) -> None:
        await door.fail("my secret password")
        await door.knock("grace", PASSWORD)
        kept = [*await rows_of(door.database, login_failures), *await rows_of(door.database, known_addresses)]
        assert len(kept) == 2
        assert not any(word in str(kept) for word in ("secret", "grace", PASSWORD))

    async def test_old_failures_go_with_the_next_one(self, door: Door) -> None:
        for number in range(4):
            await door.fail(f"nobody_{number}", address=f"192.0.2.{number}")
        door.clock.advance(minutes=30)
        await door.fail()
        door.clock.advance(minutes=30)
        await door.fail("alan")
        assert len(await rows_of(door.database, login_failures)) == 2

    async def test_an_address_that_is_not_used_any_more_is_forgotten(self, door: Door) -> None:
        await door.knock("grace", PASSWORD, CAFE)
        door.clock.advance(days=60)
        await door.knock("grace", PASSWORD)
        door.clock.advance(days=31)
        await door.knock("grace", PASSWORD)
        known = {row["address"]: row["last_at"] for row in await rows_of(door.database, known_addresses)}
        assert known == {HOME: door.clock.now}


class TestAddresses:
    async def test_the_addresses_of_one_ipv6_network_are_one(self, door: Door) -> None:
        addresses = [f"2001:db8:1:2::{number}" for number in range(5)]
        assert [(await door.fail(address=address))[0] for address in addresses] == [WRONG] * 5
        assert await door.fail(address="2001:db8:1:2:ffff::1") == [THROTTLED]
        assert await door.fail(address="2001:db8:1:3::1") == [WRONG]
        assert await door.fail(address=f"::ffff:{HOME}") == [WRONG]
        kept = {row["address"] for row in await rows_of(door.database, login_failures)}
        assert kept == {"2001:db8:1:2::/64", "2001:db8:1:3::/64", HOME}

    async def test_only_what_a_trusted_proxy_added_counts(self, door: Door) -> None:
        """The client writes the left end of the header; 10.1.2.3 is another proxy of ours."""
        await door.fail(address=f"192.0.2.66, {HOME}, 10.1.2.3")
        await door.fail(address="x" * 500)
        kept = {row["address"] for row in await rows_of(door.database, login_failures)}
        assert kept == {HOME, "unknown"}


@asynccontextmanager
async def gateway_process(directory: Path, database_url: str, **environment: str) -> AsyncIterator[str]:
    """A gateway as it is started by `app.run`; yields its origin."""
    port = free_port()
    origin = f"http://127.0.0.1:{port}"
    program = f"from services.gateway.app import run; run('127.0.0.1', {port})"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program),
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "DATABASE_URL": database_url,
            "NATS_URL": NOBODY_LISTENS,
            "ALLOW_DEFAULT_ADMIN": "false",
            **environment,
        },
        cwd=directory,
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        async with httpx.AsyncClient(trust_env=False) as client:
            await eventually(lambda: _answers(client, f"{origin}/api/v2/health", process))
        yield origin
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _answers(client: httpx.AsyncClient, url: str, process: asyncio.subprocess.Process) -> bool:
    assert process.returncode is None, "the gateway has ended"
    try:
        return (await client.get(url)).status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.parametrize(
    ("environment", "address"),
    [
        ({}, "127.0.0.1"),
        # What uvicorn itself would listen to is not ours.
        ({"FORWARDED_ALLOW_IPS": "*"}, "127.0.0.1"),
        ({"TRUSTED_PROXIES": "192.0.2.1"}, "127.0.0.1"),
        ({"TRUSTED_PROXIES": "192.0.2.1, 127.0.0.0/8"}, HOME),
    ],
    ids=["nobody", "uvicorns own setting", "somebody else", "this machine"],
)
async def test_who_calls_is_told_only_by_trusted_proxies(
    tmp_path: Path, environment: dict[str, str], address: str
) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'jetcron.db'}"
    settings = gateway_settings(url)
    await create_admin(settings, username="grace", email="grace@example.com", password=PASSWORD)
    async with (
        gateway_process(tmp_path, url, **environment) as origin,
        httpx.AsyncClient(trust_env=False) as client,
    ):
        login = {"username": "grace", "password": PASSWORD}
        headers = {"X-Forwarded-For": HOME}
        answer = await client.post(f"{origin}/api/v2/auth/login", json=login, headers=headers)
        assert answer.status_code == RIGHT
    database = Database(url)
    try:
        assert [row["address"] for row in await rows_of(database, known_addresses)] == [address]
    finally:
        await database.close()
