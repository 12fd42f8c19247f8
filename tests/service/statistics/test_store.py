# SPDX-License-Identifier: GPL-3.0-or-later
"""The last day in the database: written together, read back, and never more than a day."""

from __future__ import annotations

import time

import pytest
from fastapi import FastAPI

from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.pool import PoolSpace
from hostler.statistics.figures import Figures
from hostler.statistics.history import Page
from hostler.statistics.models import UsageRound
from hostler.statistics.resolution import DAY, HOUR, slot
from hostler.statistics.round import HOST, Round
from hostler.statistics.store import rounds_since, write

pytestmark = pytest.mark.anyio


def page(resolution: int, at: float, busy: float = 50.0) -> Page:
    figures = {HOST: Figures(cpu_percent=busy), 7: Figures(disk_reads=busy)}
    return Page(resolution, Round.of(slot(at, resolution), figures, {'a "pool"': PoolSpace(2**40, 2**39)}))


async def test_what_is_written_is_read_back_by_server_resolution_and_time(app: FastAPI) -> None:
    now = time.time()
    pages = {
        1: [page(15, now - 30), page(15, now - 15), page(60, now - 60)],
        2: [page(15, now - 15, 90.0)],
        3: [],
    }
    await write(pages, now)

    assert await rounds_since(1, 15, 0) == [one.round for one in pages[1][:2]]
    assert await rounds_since(1, 15, pages[1][1].round.at) == [pages[1][1].round]
    assert await rounds_since(1, 60, 0) == [pages[1][2].round]
    assert await rounds_since(2, 15, 0) == [pages[2][0].round]
    assert await rounds_since(3, 15, 0) == []


async def test_of_two_services_that_read_the_same_host_the_first_is_believed(app: FastAPI) -> None:
    now = time.time()
    first, second = page(15, now, 10.0), page(15, now, 90.0)
    await write({1: [first]}, now)
    await write({1: [second, page(60, now)]}, now)

    assert await rounds_since(1, 15, 0) == [first.round]
    assert len(await rounds_since(1, 60, 0)) == 1


async def test_what_is_older_than_it_is_kept_is_forgotten_also_of_readings_of_another_pace(app: FastAPI) -> None:
    now = time.time()
    pages = [page(one, now - age) for one in (5, 15, 60, 300) for age in (0, HOUR + 400, 6 * HOUR + 700, DAY + 700)]
    await write({1: pages}, now)
    await write({}, now)

    left = [(row.resolution, round((now - row.at) // HOUR)) for row in await UsageRound.all().order_by("resolution")]
    ages = {resolution: {age for other, age in left if other == resolution} for resolution, _ in left}
    assert ages == {5: {0}, 15: {0}, 60: {0, 1}, 300: {0, 1, 6}}
