# SPDX-License-Identifier: GPL-3.0-or-later
"""Slowing down who guesses passwords: ten failures, then one attempt every fifteen seconds, by account and by address.

In memory, because it has to be cheap where it is attacked: a row for each failed login would give a stranger a way
to make the database write. A restart forgets it, and each of several services counts for itself.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from hostler.errors import TooManyRequests

FAILURES = 10
"""Failures before it slows down."""
SECONDS_EACH = 15.0
"""After that, the time between two attempts, in seconds; a quiet time earns them back at the same rate."""
_KEYS_AT_MOST = 50_000


@dataclass(slots=True)
class _Bucket:
    left: float
    at: float


class Throttle:
    """One bucket of attempts for each key; the least recently used keys are forgotten first."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def _bucket(self, key: str) -> _Bucket:
        now = self._clock()
        bucket = self._buckets.get(key) or _Bucket(FAILURES, now)
        bucket.left = min(FAILURES, bucket.left + (now - bucket.at) / SECONDS_EACH)
        bucket.at = now
        return bucket

    def _keep(self, key: str, bucket: _Bucket) -> None:
        self._buckets[key] = bucket
        self._buckets.move_to_end(key)
        if len(self._buckets) > _KEYS_AT_MOST:
            self._buckets.popitem(last=False)

    def attempt(self, *keys: str) -> None:
        """Take an attempt from every key before the password is looked at; raises TooManyRequests where one has none.

        Taking it first, and giving it back after a success, leaves no gap for attempts that are made at the same time.
        """
        buckets = {key: self._bucket(key) for key in keys}
        wait = max(((1 - bucket.left) * SECONDS_EACH for bucket in buckets.values()), default=0.0)
        if wait > 0:
            raise TooManyRequests(
                "Too many failed logins for this account or from this address", retry_after=math.ceil(wait)
            )
        for key, bucket in buckets.items():
            bucket.left -= 1
            self._keep(key, bucket)  # only now: refusals are cheap, and would make others be forgotten by their number

    def succeeded(self, account: str, address: str) -> None:
        """Forget the account's failures, and give the address its attempt back: its other failures still count."""
        self._buckets.pop(account, None)
        bucket = self._bucket(address)
        bucket.left = min(FAILURES, bucket.left + 1)
        self._keep(address, bucket)
