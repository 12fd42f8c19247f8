# SPDX-License-Identifier: GPL-3.0-or-later
"""A VM whose QEMU is being started: where that fails no event tells of it, and it is off all the same."""

import asyncio
import signal
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from hostler.hosts.models import Server
from lab.errors import LabError
from lab.host import Host
from tests.core.actions.standing_still import being_started
from tests.service.machines.lab_service import create, engine_of, eventually

pytestmark = [pytest.mark.anyio, pytest.mark.lab]


async def test_one_that_fails_to_start_is_not_shown_as_running(
    app: FastAPI, api: httpx.AsyncClient, server: Server, clean_host: Host, tmp_path: Path
) -> None:
    vm = await create(api, server, "broken")
    starting = await asyncio.to_thread(being_started, clean_host, "broken", tmp_path)
    await eventually(lambda: is_seen(app, api, vm, "running"), "it is seen as it starts", 10)
    clean_host.guest_process("broken").signal(signal.SIGKILL)
    with pytest.raises(LabError, match="Failed to start"):
        await asyncio.wrap_future(starting)
    await eventually(lambda: is_shown(api, vm, "stopped"), "it is off", 5)


@pytest.mark.slow
async def test_one_whose_start_does_not_end_is_shown_as_standing_still(
    app: FastAPI, api: httpx.AsyncClient, server: Server, clean_host: Host, tmp_path: Path
) -> None:
    vm = await create(api, server, "broken")
    starting = await asyncio.to_thread(being_started, clean_host, "broken", tmp_path)
    await eventually(lambda: is_seen(app, api, vm, "running"), "it is seen as it starts", 10)
    await eventually(lambda: is_shown(api, vm, "paused"), "it stands still", 15)
    assert await is_seen(app, api, vm, "paused")
    clean_host.guest_process("broken").signal(signal.SIGKILL)
    with pytest.raises(LabError, match="Failed to start"):
        await asyncio.wrap_future(starting)
    await eventually(lambda: is_shown(api, vm, "stopped"), "it is off", 40)


async def is_shown(api: httpx.AsyncClient, vm: dict[str, Any], status: str) -> bool:
    return bool((await api.get(f"/api/vms/{vm['id']}")).json()["status"] == status)


async def is_seen(app: FastAPI, api: httpx.AsyncClient, vm: dict[str, Any], status: str) -> bool:
    """Whether it is shown like that, when it was looked at just now."""
    engine_of(app).watch.look_at(vm["server"]["id"], vm["uuid"])
    await asyncio.sleep(0.3)
    return await is_shown(api, vm, status)
