# SPDX-License-Identifier: GPL-3.0-or-later
"""Domains that somebody has made to do harm: their records and their XML say whatever XML can.

Whoever may define domains on one host may not take that host's other VMs out of sight, nor break the service's routes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import httpx
import pytest
from fastapi import FastAPI

from hostler.hosts.models import Server
from hostler.machines.models import Machine
from tests.service.hostile.conftest import NODE
from tests.service.machines.lab_service import SMALL, engine_of, eventually

pytestmark = pytest.mark.anyio

NAMES = {
    "quotes": "\"'`$(id)\\{{ 7*7 }}",
    "long": "n" * 250,
    "marks": "\u202e\u009b31m\ufeffx",
}
RECORDS = {
    "large numbers": {"id": "9" * 18, "revision": "9" * 18},
    "int32": {"id": str(2**31), "revision": str(2**31)},
    "signs": {"id": "-1", "revision": "-1"},
    "digits of others": {"id": "\u0663", "revision": "\u0663"},
    "nothing": {"id": "", "revision": "", "owner": "", "created": "", "osType": "", "osVersion": ""},
    "long": {"owner": "o" * 100_000, "osType": "t" * 100_000, "osVersion": "v" * 100_000, "created": "c" * 100_000},
}


def domain(
    number: int,
    name: str = "",
    inside: str = "",
    memory: int = 65536,
    vcpus: int = 1,
    record: Mapping[str, str] | None = None,
) -> str:
    uuid = f"00000000-0000-4000-8000-{number:012d}"
    said = "".join(f"<hostler:{field}>{escape(text)}</hostler:{field}>" for field, text in (record or {}).items())
    return f"""<domain type='test'>
      <name>{escape(name or f"vm{number}")}</name><uuid>{uuid}</uuid>
      <metadata><hostler:vm xmlns:hostler='urn:hostler:vm:1' version='1'>
        <hostler:uuid>{uuid}</hostler:uuid>{said}</hostler:vm></metadata>
      <memory>{memory}</memory><vcpu>{vcpus}</vcpu><os><type>hvm</type></os><devices>{inside}</devices></domain>"""


def hostile() -> list[str]:
    found = [domain(index, name=name) for index, name in enumerate(NAMES.values(), 10)]
    found += [domain(index, record=record) for index, record in enumerate(RECORDS.values(), 20)]
    many = "".join(f"<hostler:tag>{index}\u009b" + "x" * 50 + "</hostler:tag>" for index in range(5000))
    many += "".join(f"<hostler:entry key='k{index}'>v</hostler:entry>" for index in range(5000))
    found.append(domain(30).replace("</hostler:uuid>", f"</hostler:uuid>{many}"))
    found.append(domain(31, memory=2**43 - 1))
    found.append(domain(32, vcpus=16000))
    card = "<interface type='bridge'><source bridge='{}'/><mac address='52:54:00:00:00:01'/></interface>"
    found.append(domain(33, inside=card.format("b" * 300)))
    found.append(domain(34, inside="<graphics type='vnc' port='2147483647' autoport='no'/>"))
    found.append(domain(35, inside="<interface type='direct'><source dev='eth0' mode='bridge'/></interface>"))
    found.append(domain(36, inside="<disk type='file'><source file='/&#9;&#10;..&apos;'/><target dev='sda'/></disk>"))
    return found


@pytest.fixture
async def server(app: FastAPI, tmp_path: Path) -> Server:
    """A host with hostile domains, and a sound one among them."""
    node = tmp_path / "node.xml"
    node.write_text(NODE.replace("</node>", "".join([*hostile(), domain(99, name="sound")]) + "</node>"))
    server = await Server.create(hostname="hostile", libvirt_uri=f"test://{node}", virt_type="qemu")
    await engine_of(app).watch.call_roll()

    async def is_seen() -> bool:
        return await Machine.filter(name="sound").exists()

    await eventually(is_seen, "the sound VM is seen")
    return server


async def test_they_are_shown_with_all_others_and_break_no_route(
    everything: httpx.AsyncClient, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    refreshed = await everything.post(f"/api/servers/{server.id}/refresh")
    assert (refreshed.status_code, refreshed.json().get("machines")) == (200, len(hostile()) + 1), refreshed.text

    vms: list[dict[str, Any]] = (await everything.get("/api/vms?per_page=100")).json()["vms"]
    assert len(vms) == len(hostile()) + 1
    for vm in vms:
        path = f"/api/vms/{vm['id']}"
        for method, route, statuses in (
            ("GET", path, {200}),
            ("GET", f"{path}/config?xml=true", {200}),
            ("GET", f"{path}/drift", {200}),
            ("GET", f"{path}/statistics", {200}),
            ("POST", f"{path}/drift/reapply?dry_run=true", {200, 400, 409}),
            ("POST", f"{path}/drift/adopt", {200}),
            ("POST", f"{path}/resize?dry_run=true", {200, 400}),
        ):
            body = {"memory_mb": 128} if "resize" in route else None
            answer = await everything.request(method, route, json=body)
            assert answer.status_code in statuses, f"{vm['name']!r}: {method} {route}: {answer.text[:300]}"

    placed = await everything.post("/api/vms?dry_run=true", json={**SMALL, "name": "placed"})
    assert placed.status_code in (200, 409), placed.text  # what they promise may fill the host
    shown = await everything.get(f"/api/servers/{server.id}")
    assert (shown.status_code, shown.json()["use"]["vms"]) == (200, len(hostile()) + 1)
    assert (await everything.get("/metrics")).status_code == 200
    assert "Traceback" not in json.dumps("".join(capsys.readouterr()))
