# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the event tests: rows that something happens to, with no host behind them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI

from hostler.hosts.models import Server
from hostler.machines.models import Machine
from tests.service.conftest import Headers
from tests.service.machines.lab_service import clean_host, server, settings

__all__ = ["api", "clean_host", "known_server", "machine", "server", "settings"]


@pytest.fixture
async def api(app: FastAPI, write_headers: Headers) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a user who may read and write."""
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://hostler.test", headers=write_headers) as client:
        yield client


@pytest.fixture
async def known_server(app: FastAPI) -> Server:
    """A server that nobody watches."""
    return await Server.create(hostname="quiet", libvirt_uri="qemu+tls://192.0.2.9/system", enabled=False)


@pytest.fixture
async def machine(known_server: Server) -> Machine:
    """A VM of that server, as a row."""
    return await new_machine(known_server, "web")


async def new_machine(server: Server, name: str) -> Machine:
    """One more."""
    uuid = f"00000000-0000-4000-8000-{abs(hash(name)) % 10**12:012d}"
    return await Machine.create(
        uuid=uuid, server=server, name=name, status="stopped", cpu_cores=1, memory_mb=64, disk_gb=1.0
    )
