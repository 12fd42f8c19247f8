# SPDX-License-Identifier: GPL-3.0-or-later
"""What it costs to take a host in, and to find that nothing has changed there, beside libvirt-python alone."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import statistics
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import libvirt

from bench.errors import BenchError
from bench.figures import Figure
from bench.fleet import settings_for
from bench.workspace import Workspace
from hostler.database import Database, rows
from hostler.garbage import look_less_often
from hostler.hosts.connection import HostConnections
from hostler.hosts.models import Server
from hostler.hosts.rereading import Clock
from hostler.hosts.watch import HostWatch
from hostler.machines.sync import bulk_states
from lab.host import Host

DOMAINS = 5000
ROUNDS = 7
_GROUP_FIRST = "First sync of a host with 5,000 domains"
_GROUP_AGAIN = "Resync of 5,000 domains without changes"
_FIRST_SECONDS = 600.0

_DOMAIN = """<domain type='{virt_type}'><name>{name}</name><uuid>{uuid}</uuid>
<memory unit='MiB'>64</memory><vcpu>1</vcpu><os><type arch='x86_64' machine='q35'>hvm</type></os>
<devices><emulator>/usr/bin/qemu-system-x86_64</emulator><graphics type='vnc' autoport='yes'/>
<interface type='network'><source network='default'/></interface></devices></domain>
"""


def comparison(workspace: Workspace) -> tuple[list[Figure], list[str]]:
    """The watch takes 5,000 domains in, and compares them again and again."""
    host = workspace.host()
    names = {f"many-{number:04}": str(uuid.uuid4()) for number in range(DOMAINS)}
    with contextlib.closing(libvirt.open(host.uri)) as connection:
        for name, identity in names.items():
            connection.defineXML(_DOMAIN.format(name=name, uuid=identity, virt_type=host.virt_type))
        usual = gc.get_threshold()
        try:
            bare_first = _seconds(lambda: _read_all(connection))
            look_less_often()  # as the service does
            first, again, bulk, wrote = asyncio.run(_watched(workspace.state(), host, connection))
        finally:
            gc.set_threshold(*usual)
            for name in names:
                connection.lookupByName(name).undefine()
    figures = [
        Figure(
            _GROUP_FIRST, "until all are known", round(first, 2), "s", round(bare_first, 2), "bulk reads and each XML",
            round(1.5 * bare_first, 2), target_says="1.5 times these reads",
        ),
        Figure(
            _GROUP_AGAIN, "one comparison", round(again * 1000, 1), "ms", round(bulk * 1000, 1), "one bulk call",
            round(1.2 * bulk * 1000, 1), target_says="1.2 times the call",
        ),
    ]  # fmt: skip
    return figures, [f"A comparison that found nothing wrote {wrote} rows. Medians of {ROUNDS} but for the first sync."]


async def _watched(state: Path, host: Host, bare: libvirt.virConnect) -> tuple[float, float, float, int]:
    """Seconds until all are known, of one comparison and of one bulk call, and how many events comparisons wrote."""
    async with Database(settings_for(state)).for_service():
        server = await Server.create(hostname="many", libvirt_uri=host.uri, virt_type=host.virt_type)
        connections = HostConnections(threads=8)
        watch = HostWatch(connections, Clock(resync=3600, reread=3600))
        began = time.perf_counter()
        await watch.start()
        while await _number("vm") < DOMAINS:
            if time.perf_counter() - began > _FIRST_SECONDS:
                raise BenchError("the watch does not take the host in")
            await asyncio.sleep(0.01)
        first = time.perf_counter() - began
        lookout = watch._lookouts[server.id]  # noqa: SLF001 - what its clock calls every half minute
        connection = connections.of(server.id, server.hostname, server.libvirt_uri)
        while lookout._settled is None:  # noqa: SLF001
            await lookout._resync(server, connection)  # noqa: SLF001
        before = await _number("event")
        again, bulk = [], []
        for _ in range(ROUNDS):  # in turns: in a process that has seen much, either takes half as long again
            bulk.append(_seconds(lambda: _bulk(bare)))
            started = time.perf_counter()
            found = await bulk_states(connection)
            await lookout._compare_states(server, connection, found)  # noqa: SLF001
            again.append(time.perf_counter() - started)
        wrote = await _number("event") - before
        await watch.close()
        connections.close()
    return first, statistics.median(again), statistics.median(bulk), wrote


async def _number(table: str) -> int:
    found = await rows(f"SELECT COUNT(*) AS n FROM {table}")  # noqa: S608 - ours
    return int(found[0]["n"])


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _bulk(connection: libvirt.virConnect) -> object:
    return connection.getAllDomainStats(libvirt.VIR_DOMAIN_STATS_STATE, 0)


def _read_all(connection: libvirt.virConnect) -> object:
    """What has to be read of a host that nobody knows: what all are, by few calls, and the definition of each."""
    lists = (libvirt.VIR_CONNECT_LIST_DOMAINS_AUTOSTART, libvirt.VIR_CONNECT_LIST_DOMAINS_MANAGEDSAVE)
    told = [_bulk(connection), *(connection.listAllDomains(which) for which in lists)]
    domains = connection.listAllDomains()
    return told, [domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE) for domain in domains]
