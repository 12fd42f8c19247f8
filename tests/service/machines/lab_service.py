# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the tests that run the service in their own process against the lab's host.

``server`` is that host, registered and watched; ``api`` is a client that may read and write. VMs are made directly
rather than by playbooks (a third of a second instead of two), unless a test's settings say otherwise. After each test
the host has neither a guest nor a disk.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import OperationFailed
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from hostler.engine import Engine
from hostler.hosts import actions
from hostler.hosts.models import Server, ServerState
from hostler.settings import Settings
from lab.host import Host
from tests.service.conftest import ADMIN_PASSWORD, Headers

SMALL = {
    "cpu_cores": 1,
    "memory_mb": 64,
    "disk_gb": 0.125,
    "os_type": "linux",
    "os_version": "none at all",
    "network_config": {"type": "none"},
}
"""A VM whose disk is blank: it starts in a moment, and never hears of ACPI."""

STUCK = "cannot acquire state change lock"
"""What libvirt 9.0 says of a VM that it was starting when it was killed, in some runs, and until it is restarted."""


@pytest.fixture
def settings(clean_environment: None, tmp_path: Path, database_url: str) -> Settings:
    """Settings with which no playbook is needed."""
    return Settings(
        state_dir=tmp_path / "state",
        database_url=database_url,
        admin_password=ADMIN_PASSWORD,
        dispatch={"vm_create": "direct", "vm_resize": "direct"},
        warm_start=False,
        shutdown_seconds=5,
    )


@pytest.fixture
def clean_host(lab_host: Host) -> Iterator[Host]:
    """The lab's host, of which nothing is left after the test."""
    yield lab_host
    clear(lab_host)


@pytest.fixture
async def server(app: FastAPI, clean_host: Host) -> Server:
    """The lab's host as a server of the service, reached and watched."""
    return await registered(app, clean_host)


@pytest.fixture
async def api(app: FastAPI, write_headers: Headers) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a user who may read and write."""
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://hostler.test", headers=write_headers) as client:
        yield client


async def registered(app: FastAPI, host: Host, hostname: str = "lab1", **fields: Any) -> Server:
    """Register a host (REST refuses its URI by design), wait until the service has reached it, and return its row."""
    known = {"virt_type": host.virt_type, "image_pool": "images"}
    server = await actions.register({"hostname": hostname, "libvirt_uri": host.uri, **known, **fields})
    await engine_of(app).watch.call_roll()

    async def is_reached() -> bool:
        await server.refresh_from_db()
        return server.state == ServerState.REACHABLE.value

    await eventually(is_reached, "the service reaches the host")
    return server


def engine_of(app: FastAPI) -> Engine:
    engine: Engine = app.state.engine
    return engine


async def create(api: httpx.AsyncClient, server: Server, name: str, **fields: Any) -> dict[str, Any]:
    """Create a small VM and return it."""
    key = {"Idempotency-Key": str(uuid.uuid4())}
    answer = httpx.Response(202)
    while answer.status_code == 202:  # the test's service may be an impatient one
        answer = await api.post("/api/vms", json={"name": name, "server_id": server.id, **SMALL, **fields}, headers=key)
    assert answer.status_code == 201, answer.text
    vm: dict[str, Any] = answer.json()
    return vm


async def eventually(happened: Callable[[], Awaitable[bool]], what: str, timeout: float = 20) -> None:
    """Wait until ``happened`` answers true; fail with ``what`` if it does not within ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    while not await happened():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout:g} s: {what}")
        await asyncio.sleep(0.05)


def domains(host: Host) -> set[str]:
    """Names of all domains that libvirt has."""
    return set(host.virsh("list", "--all", "--name").split())


def volumes(host: Host) -> set[str]:
    """Names of the files in the pool of disks, libvirt asked or not."""
    return {file.name for file in host.layout.pools["default"].iterdir()}


def clear(host: Host) -> None:
    """Take every guest and every disk away; from a libvirtd that can't any more, from its successor."""
    try:
        _clear(host)
    except OperationFailed as error:
        if STUCK not in error.message:
            raise
        host.kill_libvirtd()
        host.start_libvirtd()
        _clear(host)


def _clear(host: Host) -> None:
    with Hypervisor.open(host.uri) as hypervisor:
        for domain in hypervisor.domains():
            if domain.is_active():
                domain.destroy()
            if hypervisor.find_domain(domain.uuid) is not None:  # a transient one has gone by now
                domain.undefine()
        for volume in hypervisor.pool("default").volumes():
            volume.delete()
    for name in volumes(host):  # what libvirt does not know of
        (host.layout.pools["default"] / name).unlink()
