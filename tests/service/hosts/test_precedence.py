# SPDX-License-Identifier: GPL-3.0-or-later
"""What all VMs of all hosts do is found out before what each VM is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest

from hostler.hosts.precedence import Precedence

pytestmark = pytest.mark.anyio


async def reading(precedence: Precedence, told: list[str]) -> None:
    async with precedence.later():
        told.append("read")


async def test_definitions_are_read_once_all_hosts_have_begun() -> None:
    precedence = Precedence()
    told: list[str] = []
    async with precedence.first():
        async with precedence.first():
            task = asyncio.create_task(reading(precedence, told))
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.05)
        told.append("begun")

    await task

    assert told == ["begun", "read"]


async def test_a_host_that_hangs_as_it_begins_keeps_no_other_from_being_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hostler.hosts.precedence._PATIENCE_SECONDS", 0.05)
    precedence = Precedence()
    told: list[str] = []

    async with precedence.first():
        async with asyncio.timeout(10):
            await reading(precedence, told)

    assert told == ["read"]


async def test_as_long_as_one_host_after_another_has_begun_the_rest_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("hostler.hosts.precedence._PATIENCE_SECONDS", 0.5)
    precedence = Precedence()
    told: list[str] = []

    async def begin(seconds: float) -> None:
        async with precedence.first():
            await asyncio.sleep(seconds)
            told.append("begun")

    async with asyncio.TaskGroup() as tasks:
        for number in range(1, 6):
            tasks.create_task(begin(0.2 * number))
        await asyncio.sleep(0.05)
        tasks.create_task(reading(precedence, told))

    assert told == ["begun"] * 5 + ["read"]


async def test_of_many_hosts_the_first_have_begun_before_the_last_are_asked() -> None:
    precedence = Precedence()
    told: list[str] = []

    async def begin() -> None:
        async with precedence.first():
            told.append("asked")
            await asyncio.sleep(0.01)
            told.append("begun")

    async with asyncio.TaskGroup() as tasks:
        for _ in range(40):
            tasks.create_task(begin())

    assert told[:16] == ["asked"] * 16
    assert "begun" in told[16:33]
    assert told.count("begun") == 40


@pytest.mark.parametrize(
    ("what", "patience", "places", "number"),
    [
        (Precedence.first, "_PATIENCE_SECONDS", "_places", 16),
        (Precedence.later, "_READING_PATIENCE_SECONDS", "_readings", 8),
    ],
    ids=["hosts", "batches"],
)
async def test_those_that_hang_keep_no_other_from_its_place(
    what: Callable[[Precedence], AbstractAsyncContextManager[None]],
    patience: str,
    places: str,
    number: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(f"hostler.hosts.precedence.{patience}", 0.05)
    precedence = Precedence()
    hanging = asyncio.Event()

    async def hang() -> None:
        async with what(precedence):
            await hanging.wait()

    async with asyncio.TaskGroup() as tasks:
        for _ in range(40):
            tasks.create_task(hang())
        await asyncio.sleep(0)
        async with asyncio.timeout(10), what(precedence):
            hanging.set()

    await asyncio.sleep(0.1)
    assert getattr(precedence, places)._value == number, "each place was given back once"


@pytest.mark.parametrize("seconds", [0, 0.8], ids=["at once", "after a wait"])
async def test_few_batches_are_read_at_once(seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hostler.hosts.precedence._READING_PATIENCE_SECONDS", 0.5)
    precedence = Precedence()
    over = asyncio.Event()
    at_once = 0

    async def begin() -> None:
        async with precedence.first():
            await asyncio.sleep(seconds)

    async def read() -> None:
        nonlocal at_once
        async with precedence.later():
            at_once += 1
            await over.wait()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(begin())
        for _ in range(20):
            tasks.create_task(read())
        await asyncio.sleep(seconds + 0.05)
        assert at_once == 8
        over.set()

    assert at_once == 20
