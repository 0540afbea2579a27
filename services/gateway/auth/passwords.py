"""Password hashes: argon2id, worked out in threads, so that the event loop goes on while they take their time."""

import asyncio
import os
import secrets
from concurrent.futures import ThreadPoolExecutor

from passlib.hash import argon2

MIN_LENGTH = 6
MAX_LENGTH = 128

# OWASP's smallest recommended setting; one lane, so that one thread is one core's work.
# https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html
_argon2id = argon2.using(type="ID", time_cost=2, memory_cost=19 * 1024, parallelism=1)


class Passwords:
    """Hashes and verifies, at most as many at once as there are cores; the others wait their turn."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=os.cpu_count() or 1, thread_name_prefix="passwords")
        self._nobodys_hash = _hash(secrets.token_urlsafe())

    async def hash(self, password: str) -> str:
        """A new salted hash."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, _hash, password)

    async def verify(self, password: str, hashed: str | None) -> bool:
        """Whether the password is the right one. Without a hash (an unknown user) it takes as long, and is not."""
        compare_with = hashed or self._nobodys_hash
        matches = await asyncio.get_running_loop().run_in_executor(
            self._pool, _verify, password, compare_with
        )
        return matches and hashed is not None

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _hash(password: str) -> str:
    return str(_argon2id.hash(password))


def _verify(password: str, hashed: str) -> bool:
    return bool(_argon2id.verify(password, hashed))
