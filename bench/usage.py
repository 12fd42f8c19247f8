# SPDX-License-Identifier: GPL-3.0-or-later
"""The statistics: what a reading of a host costs, how long a minute's writing takes, and how large a day is."""

from __future__ import annotations

import asyncio
import random
import statistics
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.measure import Measured, measure
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.pool import PoolSpace
from ansible_collections.hostler.libvirt.plugins.module_utils.usage import HostUsage, Usage
from bench.errors import BenchError
from bench.figures import Figure
from bench.fleet import settings_for
from bench.workspace import Workspace
from hostler.database import Database
from hostler.statistics import store
from hostler.statistics.history import History
from hostler.statistics.host import HostStatistics
from hostler.statistics.patient import Reading
from hostler.statistics.resolution import DAY, MINUTE, kept_seconds, resolutions
from hostler.statistics.round import average_and_highest

_SECONDS = 15
_ROUNDS = 21
_RUNNING = 500
_HOSTS = 200
_EACH = 50
_BEGIN = 1_700_000_100  # a whole five minutes
_GROUP = f"Statistics: one reading of a host with {_RUNNING} VMs that run"
_FLEET = f"Statistics: {_HOSTS} hosts with {_EACH} VMs each that run"
_SIZE = "Statistics: the last day of a VM that runs, in SQLite"

_DOMAIN = """<domain type='test'><name>{name}</name><uuid>{uuid}</uuid><memory unit='KiB'>65536</memory><vcpu>1</vcpu>
<os><type arch='x86_64'>hvm</type></os></domain>"""


def usage(workspace: Workspace) -> tuple[list[Figure], list[str]]:
    """Medians of the processor's time, of which alone there is much; the test driver tells no figures of VMs."""
    bare, read = _reading(workspace.folder)
    rolled, written = asyncio.run(_minutes(workspace.state()))
    busy, answered = asyncio.run(_day(workspace.state(), _MadeUp(_EACH)))
    idle, _ = asyncio.run(_day(workspace.state(), _MadeUp(_EACH, rests=True)))
    figures = [
        Figure(_GROUP, "read", read, "ms", bare, "the bare bulk call"),
        Figure(_GROUP, "made into figures", _taking(), "ms"),
        Figure(_FLEET, "a minute's readings rolled up, all hosts", rolled, "ms"),
        Figure(_FLEET, "a minute's transaction", written, "ms"),
        Figure(_FLEET, "reading a VM's series of a resolution", answered, "ms"),
        Figure(_SIZE, "all figures new at each reading", busy, "KiB"),
        Figure(_SIZE, "at rest", idle, "KiB"),
    ]
    says = (
        "Milliseconds are the process's processor time. "
        f"A reading every {_SECONDS} s. The test driver says which domains run, and no figures of them: those are made "
        "up here. A VM's day is a fiftieth of what the database's file grows by for a host with fifty of them."
    )
    return figures, [says]


class _MadeUp:
    """VMs whose counters count up, each by another number at each reading, or not at all."""

    def __init__(self, count: int, rests: bool = False) -> None:
        self._random = random.Random(1)  # noqa: S311  no secret
        self._counters = [[0] * 7 for _ in range(count)]
        self._rests = rests
        self.ids = {str(uuid.UUID(int=number)): number for number in range(1, count + 1)}

    def reading(self, at: float) -> Reading:
        """The next one."""
        machines = {}
        for key, counters in zip(self.ids, self._counters, strict=True):
            used = 300_000
            if not self._rests:
                counters[:] = [one + int(self._random.lognormvariate(12, 2)) for one in counters]
                used = self._random.randrange(1, 2**21)
            machines[key] = Usage(1, 2, 2**21, used, used, *counters)
        ticks = int(at * 10**9)
        pools = {"default": PoolSpace(10**12, 10**11), "images": PoolSpace(10**12, 10**11)}
        return Reading(Measured(HostUsage({"user": ticks, "idle": ticks * 3}, 2**28, 2**27, pools), machines), at)


def _host(number: int) -> HostStatistics:
    return HostStatistics(number, _SECONDS, History(resolutions(_SECONDS)))


def _reading(folder: Path) -> tuple[float, float]:
    node = folder / "running.xml"
    domains = "".join(_DOMAIN.format(name=f"vm-{one:05}", uuid=uuid.uuid4()) for one in range(_RUNNING))
    node.write_text(f"<node>{domains}</node>")
    bare, ours = [], []
    with Hypervisor.open(f"test://{node}") as hypervisor:
        for _ in range(_ROUNDS):
            bare.append(_milliseconds(lambda: hypervisor.handle.getAllDomainStats(0, 0)))
            ours.append(_milliseconds(lambda: measure(hypervisor)))
    return statistics.median(bare), statistics.median(ours)


def _taking() -> float:
    host, made_up, took = _host(1), _MadeUp(_RUNNING), []
    for at in range(_BEGIN, _BEGIN + _ROUNDS * _SECONDS, _SECONDS):
        reading = made_up.reading(at)
        began = time.process_time()
        host.take(reading, made_up.ids, at)
        took.append((time.process_time() - began) * 1000)
    return statistics.median(took)


async def _minutes(state: Path) -> tuple[float, float]:
    """Milliseconds that all hosts' readings of a minute take to be rolled up, and to be written."""
    made_up, rolled, written = _MadeUp(_EACH), [], []
    hosts = {number: _host(number) for number in range(1, _HOSTS + 1)}
    async with Database(settings_for(state)) as database:
        await database.migrate()
        for minute in range(_BEGIN, _BEGIN + 11 * MINUTE, MINUTE):
            for at in range(minute, minute + MINUTE, _SECONDS):
                reading = made_up.reading(at)
                for host in hosts.values():
                    host.take(reading, made_up.ids, at)
            now = minute + MINUTE + _SECONDS
            began = time.process_time()
            for host in hosts.values():
                host.history.roll_up(now)
            rolled.append((time.process_time() - began) * 1000)
            pages = {number: host.history.pages(now) for number, host in hosts.items()}
            began = time.process_time()
            await store.write(pages, now)
            written.append((time.process_time() - began) * 1000)
            for number, host in hosts.items():
                host.history.written(pages[number])
                host.history.forget(now)
    return statistics.median(rolled), statistics.median(written)


async def _day(state: Path, made_up: _MadeUp) -> tuple[float, float]:
    """KiB that a VM's day takes, and milliseconds that the slowest of its series takes to be read."""
    settings = settings_for(state)
    file = state / "hostler.sqlite3"
    host, end = _host(1), _BEGIN + DAY + 3600
    async with Database(settings) as database:
        await database.migrate()
    empty = file.stat().st_size
    async with Database(settings):
        for at in range(_BEGIN, end, _SECONDS):
            host.take(made_up.reading(at), made_up.ids, at)
            if at % MINUTE == 0:
                pages = host.history.pages(at)
                await store.write({1: pages}, at)
                host.history.written(pages)
                host.history.forget(at)
        slowest = 0.0
        for resolution in resolutions(_SECONDS):
            began = time.process_time()
            rounds = await store.rounds_since(1, resolution, end - kept_seconds(resolution))
            found = [average_and_highest(one.figures(_EACH // 2)) for one in rounds]
            if len(found) < kept_seconds(resolution) / resolution * 0.9:
                raise BenchError(f"of {resolution} s there are {len(found)} values only")
            slowest = max(slowest, (time.process_time() - began) * 1000)
    return (file.stat().st_size - empty) / 1024 / _EACH, slowest


def _milliseconds(action: Callable[[], object]) -> float:
    began = time.process_time()
    action()
    return (time.process_time() - began) * 1000
