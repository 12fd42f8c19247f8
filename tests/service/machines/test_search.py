# SPDX-License-Identifier: GPL-3.0-or-later
"""``search``: in any case, of any alphabet, for VMs that others named as they liked."""

from __future__ import annotations

import uuid

import httpx
import pytest

from hostler.hosts.models import Server
from hostler.machines.models import Machine

pytestmark = [pytest.mark.anyio, pytest.mark.rule("list-search")]


async def test_any_case_of_any_alphabet(api: httpx.AsyncClient) -> None:
    server = await Server.create(hostname="shelf", libvirt_uri="qemu:///system", enabled=False)
    for name in ("Büro-ÄRZTE", "Сервер", "ÅNGSTRÖM", "plain"):
        await Machine.create(
            server=server, name=name, uuid=str(uuid.uuid4()), status="stopped", cpu_cores=1, memory_mb=1, disk_gb=1
        )
    for text, name in (
        ("bÜro", "Büro-ÄRZTE"),
        ("ärzte", "Büro-ÄRZTE"),
        ("СЕРВЕР", "Сервер"),  # noqa: RUF001 - another alphabet is the point
        ("ström", "ÅNGSTRÖM"),
        ("LAI", "plain"),
    ):
        found = (await api.get("/api/vms", params={"search": text})).json()["vms"]

        assert [vm["name"] for vm in found] == [name], text
