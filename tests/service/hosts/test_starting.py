# SPDX-License-Identifier: GPL-3.0-or-later
"""A VM whose QEMU is being started: where that fails no event tells of it, and it is off all the same."""

import asyncio
import signal
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
STANDS_STILL = """#!/bin/sh
case "$*" in *-machine\\ none*) exec /usr/bin/qemu-system-x86_64 "$@";; esac
(sleep 0.05; kill -STOP $$) &
exec /usr/bin/qemu-system-x86_64 "$@"
"""


async def test_one_that_fails_to_start_is_not_shown_as_running(
    app: FastAPI, api: httpx.AsyncClient, server: Server, clean_host: Host, tmp_path: Path
) -> None:
    vm = await create(api, server, "broken")
    give_emulator(STANDS_STILL, clean_host, tmp_path)
    starting = asyncio.create_task(asyncio.to_thread(clean_host.virsh, "start", "broken"))
    await eventually(lambda: is_seen(app, api, vm, "running"), "it is seen as it starts", 10)
    clean_host.guest_process("broken").signal(signal.SIGKILL)
    with pytest.raises(LabError, match="Failed to start"):
        await starting
    await eventually(lambda: is_shown(api, vm, "stopped"), "it is off", 5)


@pytest.mark.slow
async def test_one_whose_start_does_not_end_is_shown_as_standing_still(
    app: FastAPI, api: httpx.AsyncClient, server: Server, clean_host: Host, tmp_path: Path
) -> None:
    vm = await create(api, server, "broken")
    give_emulator(STANDS_STILL, clean_host, tmp_path)
    starting = asyncio.create_task(asyncio.to_thread(clean_host.virsh, "start", "broken"))
    await eventually(lambda: is_seen(app, api, vm, "running"), "it is seen as it starts", 10)
    await eventually(lambda: is_shown(api, vm, "paused"), "it stands still", 15)
    assert await is_seen(app, api, vm, "paused")
    clean_host.guest_process("broken").signal(signal.SIGKILL)
    with pytest.raises(LabError, match="Failed to start"):
        await starting
    await eventually(lambda: is_shown(api, vm, "stopped"), "it is off", 40)


def give_emulator(script: str, host: Host, folder: Path) -> None:
    """Give the VM another emulator."""
    emulator = folder / f"qemu-{uuid.uuid4().hex[:8]}"
    emulator.write_text(script)
    emulator.chmod(0o755)
    xml = host.virsh("dumpxml", "broken", "--inactive")
    changed = folder / "broken.xml"
    changed.write_text(xml.replace("/usr/bin/qemu-system-x86_64", str(emulator)))
    host.virsh("define", str(changed))


async def is_shown(api: httpx.AsyncClient, vm: dict[str, Any], status: str) -> bool:
    return bool((await api.get(f"/api/vms/{vm['id']}")).json()["status"] == status)


async def is_seen(app: FastAPI, api: httpx.AsyncClient, vm: dict[str, Any], status: str) -> bool:
    """Whether it is shown like that, when it was looked at just now."""
    engine_of(app).watch.look_at(vm["server"]["id"], vm["uuid"])
    await asyncio.sleep(0.3)
    return await is_shown(api, vm, status)
