"""Hashes that are slow to guess, and never slow the others down."""

import asyncio
import statistics
import threading
import time
from collections.abc import AsyncIterator, Iterator

import pytest

from services.gateway.auth import passwords
from services.gateway.auth.passwords import Passwords

RIGHT = "correct horse"


@pytest.fixture
def hasher() -> Iterator[Passwords]:
    hasher = Passwords()
    yield hasher
    hasher.close()


async def test_the_right_password_matches_and_no_other_does(hasher: Passwords) -> None:
    hashed = await hasher.hash(RIGHT)
    tried = {word: await hasher.verify(word, hashed) for word in (RIGHT, "Correct horse", f"{RIGHT} ", "")}
    assert tried == {RIGHT: True, "Correct horse": False, f"{RIGHT} ": False, "": False}


async def test_the_hash_is_argon2id_at_the_recommended_cost(hasher: Passwords) -> None:
    hashed = await hasher.hash(RIGHT)
    assert hashed.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert RIGHT not in hashed


async def test_the_same_password_never_has_the_same_hash(hasher: Passwords) -> None:
    assert await hasher.hash(RIGHT) != await hasher.hash(RIGHT)


async def test_long_and_foreign_passwords_count_to_their_last_character(hasher: Passwords) -> None:
    word = "pä$$ wörd ✓ " * 10
    hashed = await hasher.hash(word)
    assert [await hasher.verify(tried, hashed) for tried in (word, word[:-1])] == [True, False]


async def test_nobody_has_a_password(hasher: Passwords) -> None:
    assert await hasher.verify(RIGHT, None) is False


async def test_an_unknown_user_takes_as_long_as_a_wrong_password(hasher: Passwords) -> None:
    hashed = await hasher.hash(RIGHT)

    async def seconds(against: str | None) -> float:
        tries = []
        for _ in range(5):
            began = time.perf_counter()
            await hasher.verify("wrong", against)
            tries.append(time.perf_counter() - began)
        return statistics.median(tries)

    unknown, known = await seconds(None), await seconds(hashed)
    # Generous, for busy machines: without the work it would be a thousandth.
    assert known / 5 < unknown < known * 5


async def test_the_event_loop_goes_on_meanwhile(hasher: Passwords) -> None:
    work = asyncio.create_task(hasher.hash(RIGHT))
    turns = 0
    while not work.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > 10


class TestManyAtOnce:
    @pytest.fixture
    async def two_cores(self, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Passwords]:
        monkeypatch.setattr("os.cpu_count", lambda: 2)
        hasher = Passwords()
        yield hasher
        hasher.close()

    async def test_no_more_than_there_are_cores(
        self, two_cores: Passwords, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        at_work = threading.Semaphore(2)
        too_many = threading.Event()

        def verify(_password: str, _hashed: str) -> bool:
            if not at_work.acquire(blocking=False):
                too_many.set()
                return False
            time.sleep(0.005)
            at_work.release()
            return True

        monkeypatch.setattr(passwords, "_verify", verify)
        answers = await asyncio.gather(*(two_cores.verify(RIGHT, "hash") for _ in range(20)))
        assert answers == [True] * 20
        assert not too_many.is_set()
