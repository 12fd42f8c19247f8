# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written down of a host itself, and that nobody waits for the part that takes long."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from fastapi import FastAPI

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.survey import host_facts
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from hostler.hosts.models import Server
from hostler.hosts.sight import note_facts, read_host
from hostler.machines.models import Machine
from lab.host import Host
from tests.core.machines import UUID
from tests.service.machines.lab_service import engine_of, eventually

pytestmark = pytest.mark.anyio


@pytest.fixture
def endless(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What the hosts' emulators can do is not told before the test is over."""
    over = threading.Event()
    monkeypatch.setattr(Hypervisor, "host_uuid", lambda _self: over.wait(60))
    yield
    over.set()


async def test_a_host_and_its_vms_are_known_before_libvirt_has_asked_its_emulators(
    app: FastAPI, node: Server, endless: None
) -> None:
    await Server.filter(id=node.id).update(enabled=True)
    await engine_of(app).watch.call_roll()

    async def is_known() -> bool:
        return await Machine.filter(uuid=UUID).exists()

    await eventually(is_known, "the host's VM is known")
    await node.refresh_from_db()
    assert (node.state, node.cpu_total is not None) == ("reachable", True)


@pytest.mark.lab
async def test_a_hosts_uuid_is_found_out_later_and_stays_where_it_was_not_asked_for(
    app: FastAPI, server: Server, clean_host: Host
) -> None:
    host = engine_of(app).host(server)
    await read_host(server, host)
    await note_facts(server, await host.call(lambda hypervisor: host_facts(hypervisor, with_uuid=False)))

    await server.refresh_from_db()
    assert server.host_uuid == str(clean_host.layout.uuid)
