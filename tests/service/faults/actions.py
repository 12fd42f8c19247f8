# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be asked of a VM, for tests in which its host fails meanwhile, and what has to be true afterwards."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree

import httpx

from hostler.hosts.models import Server, ServerState
from hostler.images.models import Image
from hostler.jobs.models import Job
from hostler.machines.models import Machine
from lab.host import Host
from tests.service.machines.lab_service import SMALL, create, eventually, volumes

NAME = "victim"
RENAMED = "victor"
IMAGE = "victims-image.raw"
SEEDED: dict[str, Any] = {"cloud_init": {"hostname": "h"}, "firmware": "uefi"}
"""A VM with all that a VM can leave behind: a disk, a seed, and NVRAM once it was started."""

Ask = Callable[[httpx.AsyncClient, dict[str, Any]], Awaitable[httpx.Response]]


@dataclass(frozen=True)
class Action:
    """One request, and the VM that it is about; ``vm`` None is a VM that is yet to be made."""

    name: str
    ask: Ask
    vm: dict[str, Any] | None = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name


def _post(path: str, **query: Any) -> Ask:
    async def ask(api: httpx.AsyncClient, vm: dict[str, Any]) -> httpx.Response:
        return await api.post(f"/api/vms/{vm['id']}/{path}", params=query)

    return ask


def _put(path: str, **body: Any) -> Ask:
    async def ask(api: httpx.AsyncClient, vm: dict[str, Any]) -> httpx.Response:
        return await api.put(f"/api/vms/{vm['id']}{path}", json=body)

    return ask


async def _create(api: httpx.AsyncClient, vm: dict[str, Any]) -> httpx.Response:
    body = {"name": NAME, "server_id": vm["server_id"], **SMALL, **SEEDED, "start": True, "protected": True}
    return await api.post("/api/vms", json=body)


async def _delete(api: httpx.AsyncClient, vm: dict[str, Any]) -> httpx.Response:
    return await api.delete(f"/api/vms/{vm['id']}")


async def _resize(api: httpx.AsyncClient, vm: dict[str, Any]) -> httpx.Response:
    return await api.post(f"/api/vms/{vm['id']}/resize", json={"cpu_cores": 2, "memory_mb": 96, "disk_gb": 0.25})


async def _grow(api: httpx.AsyncClient, vm: dict[str, Any]) -> httpx.Response:
    return await api.post(f"/api/vms/{vm['id']}/resize", json={"cpu_cores": 2, "disk_gb": 0.25, "live": True})


async def _refresh(api: httpx.AsyncClient, vm: dict[str, Any]) -> httpx.Response:
    return await api.post(f"/api/servers/{vm['server']['id']}/refresh")


async def _upload(api: httpx.AsyncClient, vm: dict[str, Any]) -> httpx.Response:
    query = {"server_id": vm["server"]["id"], "name": IMAGE, "format": "raw"}
    return await api.post("/api/images", params=query, content=b"x" * 512 * 5860)


ACTIONS = {
    action.name: action
    for action in (
        Action("create", _create, None),
        Action("delete", _delete, {**SEEDED, "start": True}),
        Action("start", _post("start"), SEEDED),
        Action("stop", _post("stop", timeout=1, force="true"), {"start": True}),
        Action("force-stop", _post("force-stop"), {"start": True}),
        Action("resize", _resize, {}),
        Action("restart", _post("restart", force="true"), {"start": True}),
        Action("reset", _post("reset"), {"start": True}),
        Action("live resize", _grow, {"start": True, "max_cpu_cores": 4}),
        Action("change", _put("", name=RENAMED, cpu_cores=2, description="new", protected=True, autostart=True), {}),
        Action("change of the configuration", _put("/config", vnc_enabled=False, memory_mb=96), {}),
        Action("refresh", _refresh, {"start": True}),
        Action("upload", _upload, {}),
    )
}


async def prepare(action: Action, api: httpx.AsyncClient, server: Server) -> dict[str, Any]:
    """The VM that the action is about."""
    if action.vm is None:
        return {"server_id": server.id}
    return await create(api, server, NAME, **action.vm)


async def settled(server: Server) -> None:
    """Wait until the service has found its host again, and has ended what was going on there."""

    async def is_settled() -> bool:
        await server.refresh_from_db()
        undone = await Machine.filter(status__in=["creating", "deleting", "unknown", "stopping"]).exists()
        running = await Job.filter(state__in=["queued", "running"]).exists()
        return server.state == ServerState.REACHABLE.value and not undone and not running

    await eventually(is_settled, "the host is found again, and everything there is settled", 60)


async def assert_one_truth(host: Host) -> None:
    """The service knows each domain as it is, or soon does, and no file belongs to nobody."""
    found: list[str] = []

    async def is_true() -> bool:
        found[:] = await _differences(host)
        return not found

    try:
        await eventually(is_true, "the service and its host agree")
    except AssertionError:
        raise AssertionError("\n".join(found)) from None


async def _differences(host: Host) -> list[str]:
    domains: dict[str, str] = {}
    used: set[str] = set()
    for name in host.virsh("list", "--all", "--name").split():
        document = ElementTree.fromstring(host.virsh("dumpxml", name))  # noqa: S314 - libvirt made it
        word, _, reason = host.virsh("domstate", name, "--reason").strip().partition(" (")
        off = "crashed" if reason == "crashed)" else "stopped"
        domains[name] = off if word == "shut off" else word
        used |= {source.get("file", "").rpartition("/")[2] for source in document.findall("devices/disk/source")}
    rows = {row.name: row.status for row in await Machine.all()}
    images = {file.name for file in host.layout.pools["images"].iterdir()}
    known_images = set(await Image.all().values_list("name", flat=True))
    nvram = host.layout.folder / "lib" / "qemu" / "nvram"
    left = {file.name.removesuffix("_VARS.fd") for file in nvram.glob("*_VARS.fd")}
    return [
        f"{what}: {is_so}"
        for what, is_so in (
            ("domains that the service does not know so", set(domains.items()) - set(rows.items())),
            ("VMs that are not so", set(rows.items()) - set(domains.items())),
            ("disks of nobody", volumes(host) - used),
            ("images that the service does not know", images - known_images),
            ("images that are not there", known_images - images),
            ("NVRAM of nobody", left - set(domains)),
        )
        if is_so
    ]
