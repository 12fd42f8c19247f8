# SPDX-License-Identifier: GPL-3.0-or-later
"""A VM whose QEMU is being started: where that fails no event tells of it, and it is off all the same."""

import asyncio
import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from hostler.hosts.models import Server
from lab.errors import LabError
from lab.host import Host
from tests.service.machines.lab_service import create, engine_of, eventually

pytestmark = [pytest.mark.anyio, pytest.mark.lab]

# libvirt asks an emulator what it can do before it starts it
SLOW_TO_FAIL = """#!/bin/sh
case "$*" in *-machine\\ none*) exec /usr/bin/qemu-system-x86_64 "$@";; esac
sleep 2
exit 1
"""


async def test_one_that_fails_to_start_is_not_shown_as_running(
    app: FastAPI, api: httpx.AsyncClient, server: Server, clean_host: Host, tmp_path: Path
) -> None:
    vm = await create(api, server, "broken")
    emulator = tmp_path / f"qemu-{uuid.uuid4().hex[:8]}"
    emulator.write_text(SLOW_TO_FAIL)
    emulator.chmod(0o755)
    xml = clean_host.virsh("dumpxml", "broken", "--inactive")
    changed = tmp_path / "broken.xml"
    changed.write_text(xml.replace("/usr/bin/qemu-system-x86_64", str(emulator)))
    clean_host.virsh("define", str(changed))
    starting = asyncio.create_task(asyncio.to_thread(clean_host.virsh, "start", "broken"))

    async def has_status(status: str) -> bool:
        engine_of(app).watch.look_at(server.id, vm["uuid"])
        shown: dict[str, Any] = (await api.get(f"/api/vms/{vm['id']}")).json()
        return bool(shown["status"] == status)

    await eventually(lambda: has_status("running"), "it is seen as it starts", 10)
    with pytest.raises(LabError, match="Failed to start"):
        await starting

    async def is_shown_as_off() -> bool:
        return bool((await api.get(f"/api/vms/{vm['id']}")).json()["status"] == "stopped")

    await eventually(is_shown_as_off, "it is off", 5)
