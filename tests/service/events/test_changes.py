# SPDX-License-Identifier: GPL-3.0-or-later
"""Real VMs on a real host: each change is told of once, whoever made it, and where nothing changed nothing is said."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostUnreachable
from hostler.events.models import Event
from hostler.hosts import actions
from hostler.hosts.models import Server
from lab.host import Host
from tests.service.conftest import Headers
from tests.service.events.stream import opened
from tests.service.machines.lab_service import create, engine_of

pytestmark = [pytest.mark.anyio, pytest.mark.lab]

FOREIGN = """
<domain type='qemu'>
  <name>made-by-others</name>
  <memory unit='MiB'>64</memory>
  <os><type arch='x86_64'>hvm</type></os>
</domain>
"""


async def test_a_vms_life_is_told_as_it_is_lived(
    app: FastAPI, api: httpx.AsyncClient, server: Server, read_headers: Headers, clean_host: Host
) -> None:
    async with opened(app, headers=read_headers, kind=["vm.created", "vm.changed", "vm.deleted"]) as stream:
        made = await create(api, server, "watched", start=True)
        told = await stream.events_until("vm.changed")
        assert [(one.event, one.data["status"]) for one in told] == [
            ("vm.created", "creating"),
            ("vm.changed", "running"),
        ]
        assert told[-1].data["id"] == made["id"]

        clean_host.virsh("suspend", "watched")
        assert (await stream.event()).data["status"] == "paused"
        await api.post(f"/api/vms/{made['id']}/force-stop")
        while (stopped := await stream.event()).data["status"] != "stopped":
            pass
        assert stopped.data["vnc_port"] is None
        assert stopped.data == (await api.get(f"/api/vms/{made['id']}")).json()
        await api.delete(f"/api/vms/{made['id']}")
        gone = await stream.events_until("vm.deleted")
        assert [one.data["status"] for one in gone] == ["deleting", "deleting"]


async def test_a_job_tells_of_its_steps_and_its_end_and_its_vms_stream_has_it(
    app: FastAPI, api: httpx.AsyncClient, server: Server, read_headers: Headers
) -> None:
    vm = await create(api, server, "worked-on")
    async with opened(app, headers=read_headers, vm_id=vm["id"]) as stream:
        await api.post(f"/api/vms/{vm['id']}/start")
        told = [await stream.event() for _ in range(4)]

    assert {one.event for one in told} == {"job.created", "job.changed", "vm.changed"}
    jobs = [one.data for one in told if one.event.startswith("job.")]
    assert [(job["state"], job["progress_text"]) for job in jobs] == [
        ("running", ""),
        ("running", "Power the VM on"),
        ("succeeded", "Power the VM on"),
    ]
    shown = (await api.get("/api/jobs", params={"vm_id": vm["id"]})).json()["items"]
    assert shown[-1] == jobs[-1]


async def test_what_others_do_on_the_host_is_told_too(
    app: FastAPI, api: httpx.AsyncClient, server: Server, read_headers: Headers, clean_host: Host, tmp_path: Path
) -> None:
    definition = tmp_path / "foreign.xml"
    definition.write_text(FOREIGN)
    async with opened(app, headers=read_headers, server_id=server.id, kind=["vm.created", "vm.changed"]) as stream:
        clean_host.virsh("define", str(definition))
        assert (await stream.event()).data["name"] == "made-by-others"
        clean_host.virsh("start", "made-by-others")
        assert (await stream.event()).data["status"] == "running"
        clean_host.virsh("destroy", "made-by-others")
        assert (await stream.event()).data["status"] == "stopped"
        clean_host.virsh("undefine", "made-by-others")
        assert (await stream.event()).data["status"] == "error"


async def test_where_nothing_changed_nothing_is_written(app: FastAPI, api: httpx.AsyncClient, server: Server) -> None:
    await create(api, server, "still")
    await actions.refresh(engine_of(app), server)
    before = await Event.all().count()

    for _ in range(3):
        await actions.refresh(engine_of(app), server)

    assert await Event.all().count() == before


async def test_a_host_that_is_lost_is_told_once_with_its_vms(
    app: FastAPI, api: httpx.AsyncClient, server: Server, read_headers: Headers, tmp_path: Path
) -> None:
    vm = await create(api, server, "lost")
    async with opened(app, headers=read_headers, kind=["vm.changed", "server.changed"]) as stream:
        await actions.change(server, {"libvirt_uri": f"qemu:///system?socket={tmp_path}/no-such-socket"})
        await engine_of(app).watch.call_roll()
        while (lost := await stream.event()).event != "vm.changed":
            pass
        assert (lost.data["id"], lost.data["status"]) == (vm["id"], "unknown")
    before = await Event.all().count()

    for _ in range(3):  # as the watch does, again and again
        with pytest.raises(HostUnreachable):
            await actions.refresh(engine_of(app), await Server.get(id=server.id))

    assert await Event.all().count() == before
