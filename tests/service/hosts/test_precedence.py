# SPDX-License-Identifier: GPL-3.0-or-later
"""What all VMs of all hosts do is found out before what each VM is."""

from __future__ import annotations

import asyncio

import pytest

from hostler.hosts.precedence import Precedence

pytestmark = pytest.mark.anyio


async def reading(precedence: Precedence, told: list[str]) -> None:
    async with precedence.later():
        told.append("read")


async def test_definitions_are_read_once_all_hosts_have_begun() -> None:
    precedence = Precedence()
    told: list[str] = []
    with precedence.first():
        with precedence.first():
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

    with precedence.first():
        async with asyncio.timeout(10):
            await reading(precedence, told)

    assert told == ["read"]


async def test_few_batches_are_read_at_once() -> None:
    precedence = Precedence()
    over = asyncio.Event()
    at_once = 0

    async def read() -> None:
        nonlocal at_once
        async with precedence.later():
            at_once += 1
            await over.wait()

    async with asyncio.TaskGroup() as tasks:
        for _ in range(20):
            tasks.create_task(read())
        await asyncio.sleep(0.05)
        assert at_once == 8
        over.set()

    assert at_once == 20
