# SPDX-License-Identifier: GPL-3.0-or-later
"""Passwords: Argon2id, off the event loop, and never more at once than the memory bears."""

from __future__ import annotations

import secrets
from functools import cache

from anyio import CapacityLimiter, to_thread
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

SHORTEST = 8
LONGEST = 256
"""Lengths of a password, in characters."""

_hashing = PasswordHash((Argon2Hasher(),))


@cache
def _two_at_a_time() -> CapacityLimiter:
    # each takes 64 MiB and about 50 ms of a core
    return CapacityLimiter(2)


@cache
def _hash_of_nobody() -> str:
    return _hashing.hash(secrets.token_urlsafe(16))


async def hash_password(password: str) -> str:
    """Return the hash to store, with its parameters and salt in it."""
    return await to_thread.run_sync(_hashing.hash, password, limiter=_two_at_a_time())


async def verify(password: str, stored: str | None) -> tuple[bool, str | None]:
    """Return whether ``password`` is the one of ``stored``, and a new hash if the old one's parameters are outdated.

    For a user who doesn't exist ``stored`` is None: as much time passes, and the answer is no.
    """
    if stored is None:
        nobody = await to_thread.run_sync(_hash_of_nobody)
        await to_thread.run_sync(_hashing.verify, password, nobody, limiter=_two_at_a_time())
        return False, None
    return await to_thread.run_sync(_hashing.verify_and_update, password, stored, limiter=_two_at_a_time())


def generate_password() -> str:
    """Return a password of 120 random bits that can be read aloud."""
    alphabet = "abcdefghijkmnpqrstuvwxyz23456789"  # without l, o, 0, 1
    return "-".join("".join(secrets.choice(alphabet) for _ in range(6)) for _ in range(4))
