# SPDX-License-Identifier: GPL-3.0-or-later
"""200 hosts with 500 VMs each, in a database and on libvirt's test driver, which a libvirtd serves."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.survey import look_at, states
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from bench.fleet import VMS, settings_for
from hostler.database import Database
from hostler.hosts.models import Server
from hostler.machines.models import Machine, MachineStatus
from hostler.machines.observation import fill
from lab.host import Host

HOSTS = 200
EACH = VMS // HOSTS

# off: one that runs and has no address yet is looked at every second for three minutes
_DOMAIN = """<domain type='test' xmlns:test='http://libvirt.org/schemas/domain/test/1.0'>
<name>{name}</name><uuid>{uuid}</uuid><memory unit='KiB'>65536</memory><vcpu>1</vcpu>
<os><type arch='x86_64'>hvm</type></os>
<devices><interface type='network'><mac address='52:54:00:00:00:01'/><source network='default'/></interface></devices>
<test:runstate>5</test:runstate>
</domain>
"""
_POOL = "<pool type='dir'><name>default</name><target><path>/default-pool</path></target></pool>"


async def make_hosts(state: Path, nodes: Path, host: Host, *, enabled: bool) -> list[str]:
    """Put the hosts and their VMs into a database, as the first is seen, but for names and UUIDs; answers their URIs.

    The VMs of hosts that are ``enabled`` are unknown, as after a long absence.
    """
    uris = []
    socket = host.uri.partition("socket=")[2]
    async with Database(settings_for(state)) as database:
        await database.migrate()
        for number in range(HOSTS):
            node = nodes / f"node{number:03}.xml"
            vms = [(f"vm-{number:03}-{one:05}", str(uuid.uuid4())) for one in range(EACH)]
            node.write_text(f"<node>{_POOL}{''.join(_DOMAIN.format(name=name, uuid=key) for name, key in vms)}</node>")
            server = await Server.create(
                hostname=f"node{number:03}",
                libvirt_uri=f"test+unix://{node}?socket={socket}",
                virt_type="qemu",
                enabled=enabled,
            )
            uris.append(server.libvirt_uri)
            if number == 0:
                seen = _first_seen(server)
                seen.status = MachineStatus.UNKNOWN.value if enabled else seen.status
            await Machine.bulk_create(list(_like(seen, server, vms)))
    return uris


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
