# SPDX-License-Identifier: GPL-3.0-or-later
"""The statistics of real guests: one that works, one that rests, and one that hangs."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from datetime import datetime
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from hostler.hosts.models import Server
from lab.errors import LabError
from lab.host import Host
from tests.service.machines.lab_service import create, engine_of, eventually

pytestmark = [pytest.mark.anyio, pytest.mark.lab]

BURN = {"path": "/bin/sh", "arg": ["-c", "while :; do :; done"]}


async def shown(api: httpx.AsyncClient, vm: dict[str, Any], **query: Any) -> dict[str, Any]:
    answer = await api.get(f"/api/vms/{vm['id']}/statistics", params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def set_to_work(host: Host, name: str) -> None:
    """Have a guest burn all that its vCPU has, as soon as its agent answers."""
    command = json.dumps({"execute": "guest-exec", "arguments": BURN})

    async def works() -> bool:
        try:
            await asyncio.to_thread(host.virsh, "qemu-agent-command", name, command)
        except LabError:
            return False
        return True

    await eventually(works, "the guest's agent answers", 120)


@pytest.mark.rule("statistics")
async def test_a_guest_that_runs_is_seen_with_its_host_and_one_that_is_off_is_not(
    app: FastAPI, api: httpx.AsyncClient, server: Server, clean_host: Host
) -> None:
    on, off = await create(api, server, "on", start=True), await create(api, server, "off")

    async def is_seen() -> bool:
        use = (await shown(api, on))["now"]
        return bool(use and use["cpu_percent"] and use["disk_reads"] is not None)

    await eventually(is_seen, "what the guest uses is known", 60)
    found = await shown(api, on)
    assert found["now"]["memory_mb"] == 64
    assert found["now"]["memory_resident_mb"] > 1
    assert (await shown(api, off))["now"] is None
    host = (await api.get(f"/api/servers/{server.id}/statistics")).json()
    assert host["now"]["vms"] == 1
    assert host["now"]["cpu_percent"] > 0
    assert 0 < host["now"]["memory_used_mb"] < host["now"]["memory_mb"]
    assert host["now"]["pools"]["default"]["free_gb"] > 0


@pytest.mark.slow  # a guest that boots
async def test_who_works_shows_more_than_who_rests_and_who_hangs_keeps_nobody_from_being_seen(
    app: FastAPI, api: httpx.AsyncClient, server: Server, clean_host: Host
) -> None:
    image = {"image": "tiny.qcow2", "memory_mb": 128}
    busy = await create(api, server, "busy", **image, start=True)
    idle, sick = [await create(api, server, name, start=True) for name in ("idle", "sick")]
    await set_to_work(clean_host, "busy")

    async def differ() -> bool:
        use = [(await shown(api, vm))["now"] for vm in (busy, idle)]
        if None in use or use[1]["cpu_percent"] is None:
            return False
        return bool(use[0]["cpu_percent"] > 5 and use[0]["cpu_percent"] > 3 * use[1]["cpu_percent"])

    async def tells_of_its_memory() -> bool:  # which its own kernel does some time after it has begun to work
        return (await shown(api, busy))["now"]["memory_used_mb"] is not None

    await eventually(differ, "the one that works shows more", 60)
    await eventually(tells_of_its_memory, "its kernel says what it uses", 60)
    assert 0 < (await shown(api, busy))["now"]["memory_used_mb"] < 128

    reader = engine_of(app).statistics.hosts[server.id].reader
    reader.patience = 0.5
    process = clean_host.guest_process("sick")
    process.signal(signal.SIGSTOP)
    try:

        async def hangs() -> bool:
            return reader.hanging > 0

        await eventually(hangs, "a reading hangs")
        hung = time.time()

        async def goes_on() -> bool:
            use = (await shown(api, busy))["now"]
            at = use and datetime.fromisoformat(use["at"]).timestamp()
            return bool(use and at > hung + 1 and use["cpu_percent"] and use["disk_reads"] is not None)

        await eventually(goes_on, "the others are seen all the same")
        assert (await api.post(f"/api/vms/{idle['id']}/force-stop")).status_code == 200
        assert (await api.post(f"/api/vms/{sick['id']}/force-stop")).status_code == 200
    finally:
        process.signal(signal.SIGCONT)

    async def is_over() -> bool:
        return reader.hanging == 0

    await eventually(is_over, "no reading hangs any more")
    series = (await shown(api, busy))["series"]["cpu_percent"]
    assert len([value for value in series["average"] if value is not None]) > 3
    assert series["highest"] == series["average"]
