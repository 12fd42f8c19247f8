# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the hostile tests: a service with a server that is libvirt's own test driver, and a VM on it.

The driver lives in this process and keeps everything in memory, so that hundreds of requests take a second. Opened with
a file of the test's own, it shares nothing with other tests.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from hostler.hosts.models import Server
from hostler.settings import Settings
from tests.service.conftest import ADMIN_PASSWORD, Headers, MakeUser, log_in
from tests.service.machines.lab_service import SMALL, engine_of, eventually

ANOTHER_USER = "everything"

NODE = """
<node>
  <cpu><mhz>2000</mhz><active>16</active></cpu>
  <memory>67108864</memory>
  <network>
    <name>default</name>
    <forward mode='nat'/>
    <bridge name='virbr0'/>
    <ip address='192.0.2.1' netmask='255.255.255.0'/>
  </network>
  <pool type='dir'><name>default</name><target><path>/default</path></target></pool>
</node>
"""
"""A host for libvirt's test driver: 16 CPUs, 64 GiB, a NAT network and a pool of 100 GiB."""


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
async def all_headers(app: FastAPI, client: httpx.AsyncClient, make_user: MakeUser) -> Headers:
    """The session of a user who may do everything, beside the administrator."""
    await make_user(ANOTHER_USER, "read", "write", "admin")
    return await log_in(client, ANOTHER_USER, "correct horse battery")


@pytest.fixture
async def everything(app: FastAPI, all_headers: Headers) -> AsyncIterator[httpx.AsyncClient]:
    """A client of that user."""
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://hostler.test", headers=all_headers) as client:
        yield client


@pytest.fixture
async def test_server(app: FastAPI, tmp_path: Path) -> Server:
    """libvirt's test driver as a server, reached and watched."""
    node = tmp_path / "node.xml"
    node.write_text(NODE)
    server = await Server.create(hostname="test1", libvirt_uri=f"test://{node}", virt_type="qemu")
    await engine_of(app).watch.call_roll()

    async def is_reached() -> bool:
        await server.refresh_from_db()
        return server.state == "reachable"

    await eventually(is_reached, "the service reaches the test driver")
    return server


@pytest.fixture
async def test_vm(everything: httpx.AsyncClient, test_server: Server) -> dict[str, Any]:
    """A VM that is off."""
    body = {**SMALL, "name": "victim", "server_id": test_server.id}
    answer = await everything.post("/api/vms", json=body)
    assert answer.status_code == 201, answer.text
    vm: dict[str, Any] = answer.json()
    return vm
