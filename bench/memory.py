# SPDX-License-Identifier: GPL-3.0-or-later
"""The resident memory of one service with 100,000 VMs: after its start, after reads, and with its hosts watched."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import httpx

from bench.errors import BenchError
from bench.figures import Figure
from bench.fleet import settings_for
from bench.many_hosts import EACH, HOSTS, make_hosts
from bench.reads import LIST, PAGES, SHOW
from bench.service import Service
from bench.workspace import Workspace
from bench.wrk import load
from hostler.database import Database
from hostler.hosts.models import Server

_AT_ONCE = 10
"""So many hosts are watched from one moment on: one libvirtd stands for them all, and reads each one's file anew."""
_TARGET_MIB = 250.0
_WATCHED_SECONDS = 600.0
_SETTLE_SECONDS = 5.0
_GROUP = "Memory with 100,000 VMs"


def memory(workspace: Workspace) -> tuple[list[Figure], list[str]]:
    """What the kernel says is resident."""
    found: dict[str, float] = {}
    with Service(workspace.fleet_state()) as service:
        found["after its start"] = service.resident_mib()
        token = service.token()
        for path in (SHOW, LIST):
            load(service.url, path, 3, token)
        with httpx.Client(
            base_url=service.url, headers={"Authorization": f"Bearer {token}"}, trust_env=False, timeout=60
        ) as client:
            for page in PAGES.values():
                client.get(page).raise_for_status()
        found["after reads"] = service.resident_mib()
    took = _watched(workspace, found)
    figures = [
        Figure(_GROUP, name, round(value), "MiB", target=_TARGET_MIB, target_says="250 MiB")
        for name, value in found.items()
    ]
    says = (
        f"Watched: {HOSTS} hosts with {EACH} VMs each, all off, which a libvirtd serves by libvirt's test driver; "
        f"{_AT_ONCE} hosts at a time; after {took:.0f} s the service has looked at the XML of each VM."
    )
    return figures, [says]


def _watched(workspace: Workspace, found: dict[str, float]) -> float:
    """Have a service watch all hosts, and add its memory then; the seconds that the first look took."""
    state = workspace.state()
    nodes = workspace.folder / "nodes"
    nodes.mkdir()
    workspace.folder.chmod(0o711)
    asyncio.run(make_hosts(state, nodes, workspace.host(), enabled=False))
    began = time.monotonic()
    with Service(state) as service:
        highest = 0.0
        for first in range(0, HOSTS, _AT_ONCE):
            asyncio.run(_enable(state, first + 1, first + _AT_ONCE))
            while (service.state / "service.log").read_text().count("host.watched") < first + _AT_ONCE:
                highest = max(highest, service.resident_mib())
                if time.monotonic() > began + _WATCHED_SECONDS:
                    raise BenchError(f"the service has not looked at all hosts within {_WATCHED_SECONDS:g} s")
                time.sleep(0.2)
        took = time.monotonic() - began
        time.sleep(_SETTLE_SECONDS)
        found["with all hosts watched"] = service.resident_mib()
        found["at most on the way there"] = max(highest, found["with all hosts watched"])
    return took


async def _enable(state: Path, first: int, last: int) -> None:
    async with Database(settings_for(state)):
        await Server.filter(id__gte=first, id__lte=last).update(enabled=True)
