# SPDX-License-Identifier: GPL-3.0-or-later
"""Which domain type a server's guests get: what its operator says, or what a guest that was tried has shown, once."""

from __future__ import annotations

import asyncio
from collections import defaultdict

import structlog
from tortoise.transactions import in_transaction

from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.accelerator import find_accelerator
from hostler.events.record import Kind, record_server
from hostler.hosts.connection import HostConnection
from hostler.hosts.models import Server, VirtType

log = structlog.get_logger(__name__)

_trying: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)


async def virt_type_of(server: Server, host: HostConnection) -> str:
    """Kvm or qemu. The first time for a server that says ``auto`` a guest is tried there, which can take ten seconds.

    Raises what `find_accelerator` does.
    """
    if server.virt_type != VirtType.AUTO.value:
        return server.virt_type
    async with _trying[server.id]:
        row = await Server.get(id=server.id)
        if row.virt_type_found is None:
            found = await host.call(find_accelerator)
            log.info("host.accelerator", host=server.hostname, virt_type=found.virt_type, reason=found.reason)
            row.virt_type_found = found.virt_type
            async with in_transaction():
                await Server.filter(id=server.id).update(virt_type_found=found.virt_type)
                await record_server(Kind.SERVER_CHANGED, server.id)
        return row.virt_type_found
