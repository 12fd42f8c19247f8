# SPDX-License-Identifier: GPL-3.0-or-later
"""The throttle alone, on a clock of the test's."""

from __future__ import annotations

import pytest

from hostler.accounts import throttle as module
from hostler.accounts.throttle import FAILURES, SECONDS_EACH, Throttle
from hostler.errors import TooManyRequests


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def throttle(clock: Clock) -> Throttle:
    return Throttle(clock)


def exhaust(throttle: Throttle, *keys: str) -> None:
    for _ in range(FAILURES):
        throttle.attempt(*keys)


def wait(throttle: Throttle, *keys: str) -> int:
    with pytest.raises(TooManyRequests) as refused:
        throttle.attempt(*keys)
    return int(refused.value.headers["Retry-After"])


def test_after_ten_failures_there_is_one_attempt_in_each_interval(throttle: Throttle, clock: Clock) -> None:
    exhaust(throttle, "account ada", "address a")
    assert wait(throttle, "account ada", "address a") == SECONDS_EACH

    clock.now += SECONDS_EACH

    throttle.attempt("account ada", "address a")
    assert wait(throttle, "account ada", "address a") == SECONDS_EACH


def test_a_refused_attempt_costs_nothing_and_tells_the_time_left(throttle: Throttle, clock: Clock) -> None:
    exhaust(throttle, "account ada")
    for second in range(5):
        assert wait(throttle, "account ada") == SECONDS_EACH - second
        clock.now += 1


def test_either_key_is_enough(throttle: Throttle) -> None:
    exhaust(throttle, "address a")

    wait(throttle, "account ada", "address a")
    throttle.attempt("account ada", "address b")


def test_a_success_forgives_the_account_but_not_the_address(throttle: Throttle) -> None:
    for _ in range(FAILURES - 1):
        throttle.attempt("account ada", "address a")
    throttle.attempt("account ada", "address a")
    throttle.succeeded("account ada", "address a")

    throttle.attempt("account ada", "address a")

    wait(throttle, "account ada", "address a")
    exhaust(throttle, "account eve", "address b")


def test_quiet_time_earns_no_more_than_ten_attempts(throttle: Throttle, clock: Clock) -> None:
    throttle.attempt("account ada")
    clock.now += 10**6

    exhaust(throttle, "account ada")

    wait(throttle, "account ada")


def test_refused_attempts_make_nobody_be_forgotten(throttle: Throttle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_KEYS_AT_MOST", 3)
    exhaust(throttle, "account ada", "address a")
    for number in range(10):
        wait(throttle, f"account {number}", "address a")

    wait(throttle, "account ada", "address b")


def test_the_oldest_keys_are_forgotten_first(throttle: Throttle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_KEYS_AT_MOST", 3)
    exhaust(throttle, "account ada")
    for number in range(3):
        throttle.attempt(f"account {number}")

    throttle.attempt("account ada")
