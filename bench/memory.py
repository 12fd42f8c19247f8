# SPDX-License-Identifier: GPL-3.0-or-later
"""The resident memory of one service with 100,000 VMs: after its start, after reads, and with its hosts watched."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.survey import look_at, states
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from bench.errors import BenchError
from bench.figures import Figure
from bench.fleet import VMS, settings_for
from bench.reads import LIST, PAGES, SHOW
from bench.service import Service
from bench.workspace import Workspace
from bench.wrk import load
from hostler.database import Database
from hostler.hosts.models import Server
from hostler.machines.models import Machine
from hostler.machines.observation import fill
from lab.host import Host

HOSTS = 200
_EACH = VMS // HOSTS
_AT_ONCE = 10
"""So many hosts are watched from one moment on: one libvirtd stands for them all, and reads each one's file anew."""
_TARGET_MIB = 250.0
_WATCHED_SECONDS = 600.0
_SETTLE_SECONDS = 5.0
_GROUP = "Memory with 100,000 VMs"

# off: one that runs and has no address yet is looked at every second for three minutes
_DOMAIN = """<domain type='test' xmlns:test='http://libvirt.org/schemas/domain/test/1.0'>
<name>{name}</name><uuid>{uuid}</uuid><memory unit='KiB'>65536</memory><vcpu>1</vcpu>
<os><type arch='x86_64'>hvm</type></os>
<devices><interface type='network'><mac address='52:54:00:00:00:01'/><source network='default'/></interface></devices>
<test:runstate>5</test:runstate>
</domain>
"""


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
        f"Watched: {HOSTS} hosts with {_EACH} VMs each, all off, which a libvirtd serves by libvirt's test driver; "
        f"{_AT_ONCE} hosts at a time; after {took:.0f} s the service has looked at the XML of each VM."
    )
    return figures, [says]


def _watched(workspace: Workspace, found: dict[str, float]) -> float:
    """Have a service watch all hosts, and add its memory then; the seconds that the first look took."""
    state = workspace.state()
    nodes = workspace.folder / "nodes"
    nodes.mkdir()
    workspace.folder.chmod(0o711)
    asyncio.run(_fill(state, nodes, workspace.host()))
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


async def _fill(state: Path, nodes: Path, host: Host) -> None:
    """Put the hosts and their VMs into a database: as the first is seen, but for names and UUIDs."""
    socket = host.uri.partition("socket=")[2]
    async with Database(settings_for(state)) as database:
        await database.migrate()
        for number in range(HOSTS):
            node = nodes / f"node{number:03}.xml"
            vms = [(f"vm-{number:03}-{one:05}", str(uuid.uuid4())) for one in range(_EACH)]
            node.write_text(f"<node>{''.join(_DOMAIN.format(name=name, uuid=key) for name, key in vms)}</node>")
            server = await Server.create(
                hostname=f"node{number:03}",
                libvirt_uri=f"test+unix://{node}?socket={socket}",
                virt_type="qemu",
                enabled=False,
            )
            if number == 0:
                seen = _first_seen(server)
            await Machine.bulk_create(list(_like(seen, server, vms)))


def _first_seen(server: Server) -> Machine:
    with Hypervisor.open(server.libvirt_uri) as hypervisor:
        looks = look_at(hypervisor, [next(iter(states(hypervisor)))])
    row = Machine(server_id=server.id)
    fill(row, next(iter(looks.seen.values())), server)
    return row


def _like(seen: Machine, server: Server, vms: list[tuple[str, str]]) -> Iterator[Machine]:
    columns = seen._meta.fields_db_projection  # noqa: SLF001 - Tortoise's way to list them
    values = {name: getattr(seen, name) for name in columns if getattr(seen, name) is not None}
    for name, key in vms:
        yield Machine(**{**values, "server_id": server.id, "name": name, "uuid": key})
