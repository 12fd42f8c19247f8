# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server says of its disks' pool: its size and what is free, as libvirt has it."""

from __future__ import annotations

import httpx
import pytest

from hostler.hosts.models import Server
from lab.host import Host

pytestmark = [pytest.mark.anyio, pytest.mark.lab]


async def test_a_server_shows_the_space_of_its_pool_and_none_of_a_pool_that_is_not_there(
    api: httpx.AsyncClient, server: Server, clean_host: Host
) -> None:
    shown = (await api.get(f"/api/servers/{server.id}")).json()
    total, free = (
        int(line.split()[1]) / 1024**3
        for line in clean_host.virsh("pool-info", "default", "--bytes").splitlines()
        if line.startswith(("Capacity", "Available"))
    )
    assert shown["disk_total_gb"] == pytest.approx(total, abs=0.001)
    assert shown["disk_free_gb"] == pytest.approx(free, rel=0.2)

    await Server.filter(id=server.id).update(pool="nowhere")
    await api.post(f"/api/servers/{server.id}/refresh")

    shown = (await api.get(f"/api/servers/{server.id}")).json()
    assert (shown["state"], shown["disk_total_gb"], shown["disk_free_gb"]) == ("reachable", None, None)
