# SPDX-License-Identifier: GPL-3.0-or-later
"""What others do on a host shows by itself; the hosts are the truth, and the rows follow."""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from hostler.hosts.models import Server
from hostler.jobs.models import Job
from hostler.machines.models import Machine
from hostler.machines.recovery import sweep_unfinished
from lab.host import Host
from tests.service.machines.lab_service import clear, create, domains, engine_of, eventually, volumes

pytestmark = [pytest.mark.anyio, pytest.mark.lab]


class Virsh:
    """Somebody else who works on the host."""

    def __init__(self, host: Host, folder: Path) -> None:
        self.host = host
        self._file = folder / "domain.xml"

    def __call__(self, *arguments: str) -> str:
        return self.host.virsh(*arguments)

    def xml(self, name: str, identity: str, metadata: str = "", devices: str = "") -> Path:
        self._file.write_text(
            f"<domain type='qemu'><name>{name}</name><uuid>{identity}</uuid><metadata>{metadata}</metadata>"
            "<memory unit='MiB'>64</memory><vcpu>2</vcpu><os><type arch='x86_64' machine='q35'>hvm</type></os>"
            f"<devices>{devices}</devices></domain>"
        )
        return self._file

    def define(self, name: str, identity: str = "", **parts: str) -> str:
        identity = identity or str(uuid.uuid4())
        self.host.virsh("define", self.xml(name, identity, **parts))
        return identity


@pytest.fixture
def virsh(clean_host: Host, tmp_path: Path) -> Virsh:
    return Virsh(clean_host, tmp_path)


async def named(api: httpx.AsyncClient, name: str) -> dict[str, Any] | None:
    found = (await api.get("/api/vms", params={"search": name})).json()["vms"]
    return next((vm for vm in found if vm["name"] == name), None)


async def appears(api: httpx.AsyncClient, name: str) -> dict[str, Any]:
    async def is_there() -> bool:
        return await named(api, name) is not None

    await eventually(is_there, f"{name} appears", 60)
    vm = await named(api, name)
    assert vm is not None
    return vm


async def becomes(api: httpx.AsyncClient, vm: dict[str, Any], status: str) -> dict[str, Any]:
    shown: dict[str, Any] = {}

    async def is_so() -> bool:
        nonlocal shown
        shown = (await api.get(f"/api/vms/{vm['id']}")).json()
        return bool(shown["status"] == status)

    await eventually(is_so, f"{vm['name']} is {status}", 60)
    return shown


async def refresh(api: httpx.AsyncClient, server: Server) -> dict[str, Any]:
    answer = await api.post(f"/api/servers/{server.id}/refresh")
    assert answer.status_code == 200, answer.text
    report: dict[str, Any] = answer.json()
    return report


@pytest.mark.rule("vm-names")
async def test_a_domain_of_others_appears_by_itself_and_does_as_it_is_told(
    api: httpx.AsyncClient, server: Server, virsh: Virsh
) -> None:
    identity = virsh.define("theirs (old) #1")

    vm = await appears(api, "theirs (old) #1")

    assert (await Machine.get(id=vm["id"])).foreign is True
    assert (vm["uuid"], vm["status"]) == (identity, "stopped")
    assert vm["resources"] == {"cpu_cores": 2, "memory_mb": 64, "disk_gb": 0.0}
    assert vm["network"] == {"ip_address": None, "mac_address": None}
    assert (vm["os_type"], vm["os_version"], vm["description"], vm["tags"]) == (None, None, "", [])
    path = f"/api/vms/{vm['id']}"
    assert (await api.post(f"{path}/start")).json()["message"] == "VM started successfully"
    assert (await api.post(f"{path}/force-stop")).json()["message"] == "VM force stopped successfully"
    assert (await api.post(f"{path}/resize", json={"memory_mb": 96})).json()["message"] == "VM resized successfully"
    refused = await api.post(f"{path}/resize", json={"disk_gb": 1})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, "disk_gb")
    assert "hostler" not in virsh("dumpxml", "theirs (old) #1")
    assert (await api.delete(path)).json()["message"] == "VM 'theirs (old) #1' deleted successfully"
    assert domains(virsh.host) == set()


async def test_a_domain_whose_disk_the_host_cant_measure_appears_and_does_as_it_is_told(
    api: httpx.AsyncClient, server: Server, virsh: Virsh
) -> None:
    target = "<target dev='vda' bus='virtio'/>"
    disks = {
        "lost": f"<disk type='file' device='disk'><source file='/nowhere/lost.img'/>{target}</disk>",
        "remote": "<disk type='network' device='disk'><driver name='qemu' type='raw'/><source protocol='http' name='x'>"
        f"<host name='127.0.0.1' port='1'/></source>{target}</disk>",
        "pool-less": f"<disk type='volume' device='disk'><source pool='nowhere' volume='x'/>{target}</disk>",
    }
    for name, disk in disks.items():
        virsh.define(name, devices=disk)

        vm = await appears(api, name)

        path = f"/api/vms/{vm['id']}"
        assert (vm["status"], vm["resources"]["disk_gb"]) == ("stopped", 0.0)
        assert (await api.put(path, json={"description": "theirs"})).json()["description"] == "theirs"
        refused = await api.post(f"{path}/resize", json={"disk_gb": 1})
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, "disk_gb")
        assert (await api.delete(path)).json()["detail"] == "Deleted disks: []"


async def test_what_another_service_is_creating_is_left_to_it_whatever_number_it_has_there(
    app: FastAPI, api: httpx.AsyncClient, server: Server, virsh: Virsh
) -> None:
    number = (await create(api, server, "ours"))["id"] + 1  # two services of one host count alike
    begun(virsh, "theirs", number)
    vm = await appears(api, "theirs")
    assert (vm["id"], vm["status"]) == (number, "creating")

    await sweep_unfinished(server, engine_of(app).host(server))

    assert domains(virsh.host) == {"ours", "theirs"}


@pytest.mark.parametrize("left", ["start", "undefine"])
async def test_what_a_failed_create_of_ours_left_is_taken_away_and_taken_for_a_vm_by_nobody_before(
    app: FastAPI, api: httpx.AsyncClient, server: Server, virsh: Virsh, left: str
) -> None:
    vm = await create(api, server, "half")
    await engine_of(app).watch.close()
    virsh(left, "half")
    await Machine.filter(id=vm["id"]).update(status="creating")
    await Job.filter(vm_id=vm["id"]).update(state="failed")

    await refresh(api, server)

    assert (await api.get(f"/api/vms/{vm['id']}")).json()["status"] == "creating"
    await sweep_unfinished(server, engine_of(app).host(server))
    assert (domains(virsh.host), volumes(virsh.host)) == (set(), set())
    assert await named(api, "half") is None


@pytest.mark.parametrize("state", ["failed", "canceled"])
async def test_what_the_host_makes_of_a_create_of_ours_after_that_was_taken_back_is_taken_away_once_it_is_seen(
    api: httpx.AsyncClient, server: Server, virsh: Virsh, state: str
) -> None:
    identity = str(uuid.uuid4())
    await Job.create(
        action="vm_create", executor="direct", state=state, vm_id=1, vm_uuid=identity, vm_name="late",
        server_id=server.id, parameters={}, lease_owner="", finished_at=datetime.now(UTC),
    )  # fmt: skip
    begun(virsh, "late", 1, identity)

    async def is_taken_away() -> bool:
        return domains(virsh.host) == set() and await named(api, "late") is None

    await eventually(is_taken_away, "nothing is left of it", 10)


def begun(virsh: Virsh, name: str, number: int, identity: str = "") -> str:
    """Define what a create has first: a VM whose record says that it is incomplete. Its UUID."""
    identity = identity or str(uuid.uuid4())
    record = (
        "<hostler:vm xmlns:hostler='urn:hostler:vm:1' version='1' incomplete='yes'>"
        f"<hostler:id>{number}</hostler:id><hostler:uuid>{identity}</hostler:uuid></hostler:vm>"
    )
    return virsh.define(name, identity, metadata=record)


async def test_a_vm_that_was_still_being_made_when_it_appeared_is_numbered_once_it_is_whole(
    api: httpx.AsyncClient, server: Server, virsh: Virsh
) -> None:
    identity = str(uuid.uuid4())
    record = (
        "<hostler:vm xmlns:hostler='urn:hostler:vm:1' version='1' incomplete='yes'>"
        f"<hostler:uuid>{identity}</hostler:uuid></hostler:vm>"
    )
    virsh.define("by-a-playbook", identity, metadata=record)
    vm = await appears(api, "by-a-playbook")
    assert vm["status"] == "creating"

    whole = f"<vm version='1'><uuid>{identity}</uuid></vm>"  # libvirt puts it into the namespace
    virsh("metadata", "by-a-playbook", "urn:hostler:vm:1", "--config", "--key", "hostler", "--set", whole)

    await becomes(api, vm, "stopped")

    async def is_numbered() -> bool:
        return f"id>{vm['id']}</" in virsh("dumpxml", "by-a-playbook")

    await eventually(is_numbered, "the record has the service's number", 60)


async def test_what_virsh_does_to_a_vm_shows(api: httpx.AsyncClient, server: Server, virsh: Virsh) -> None:
    vm = await create(api, server, "touched")

    virsh("start", "touched")
    assert (await becomes(api, vm, "running"))["vnc_port"] is not None
    virsh("suspend", "touched")
    await becomes(api, vm, "paused")
    virsh("resume", "touched")
    await becomes(api, vm, "running")
    virsh("managedsave", "touched")
    assert (await becomes(api, vm, "saved"))["vnc_port"] is None
    refused = await api.post(f"/api/vms/{vm['id']}/resize", json={"memory_mb": 96})
    assert refused.status_code == 400
    assert refused.json()["detail"] == "VM must be stopped before resizing; it is saved: start it, then stop it"
    virsh("start", "touched")
    await becomes(api, vm, "running")
    virsh("destroy", "touched")
    await becomes(api, vm, "stopped")
    virsh("domrename", "touched", "renamed")
    assert (await appears(api, "renamed"))["id"] == vm["id"]
    assert (await api.get(f"/api/vms/{vm['id']}")).json()["name"] == "renamed"
    virsh("undefine", "renamed")
    await becomes(api, vm, "error")
    gone = await api.post(f"/api/vms/{vm['id']}/start")
    assert (gone.status_code, gone.json()["detail"]) == (404, "VM 'renamed' is no longer on host 'lab1'")


async def test_a_change_that_nobody_watches_is_found_by_a_refresh(
    app: FastAPI, api: httpx.AsyncClient, server: Server, virsh: Virsh
) -> None:
    vm = await create(api, server, "quiet")
    await engine_of(app).watch.close()
    virsh("setmaxmem", "quiet", "98304", "--config")
    virsh("setmem", "quiet", "98304", "--config")
    virsh("autostart", "quiet")

    report = await refresh(api, server)

    assert report == {
        "message": "Server 'lab1' refreshed: 1 VM",
        "machines": 1,
        "appeared": 0,
        "changed": 1,
        "gone": 0,
    }
    shown = (await api.get(f"/api/vms/{vm['id']}")).json()
    assert (shown["resources"]["memory_mb"], shown["autostart"]) == (96, True)
    assert (await refresh(api, server))["changed"] == 0


async def test_a_refresh_finds_what_came_and_what_went(
    app: FastAPI, api: httpx.AsyncClient, server: Server, virsh: Virsh, clean_host: Host
) -> None:
    vm = await create(api, server, "goes")
    await engine_of(app).watch.close()
    clear(clean_host)
    virsh.define("comes")

    report = await refresh(api, server)

    assert {name: report[name] for name in ("machines", "appeared", "changed", "gone")} == {
        "machines": 1,
        "appeared": 1,
        "changed": 0,
        "gone": 1,
    }
    assert [(one["name"], one["status"]) for one in (await api.get("/api/vms")).json()["vms"]] == [
        ("goes", "error"),
        ("comes", "stopped"),
    ]
    assert (await api.post(f"/api/vms/{vm['id']}/start")).status_code == 404


async def test_a_domain_that_comes_back_is_the_vm_that_it_was(
    api: httpx.AsyncClient, server: Server, virsh: Virsh, tmp_path: Path
) -> None:
    vm = await create(api, server, "phoenix", description="of the ashes")
    kept = tmp_path / "kept.xml"
    kept.write_text(virsh("dumpxml", "phoenix", "--inactive"))
    virsh("undefine", "phoenix")
    await becomes(api, vm, "error")

    virsh("define", str(kept))

    shown = await becomes(api, vm, "stopped")
    assert (shown["uuid"], shown["description"]) == (vm["uuid"], "of the ashes")
    assert (await api.get("/api/vms")).json()["total"] == 1


async def test_another_domain_under_the_name_of_one_that_has_gone_is_another_vm(
    api: httpx.AsyncClient, server: Server, virsh: Virsh
) -> None:
    vm = await create(api, server, "name")
    virsh("undefine", "name")
    await becomes(api, vm, "error")
    identity = virsh.define("name")

    async def is_the_new_one() -> bool:
        shown = await named(api, "name")
        return shown is not None and shown["uuid"] == identity

    await eventually(is_the_new_one, "the new one is shown")
    shown = await named(api, "name")
    assert shown is not None
    assert shown["id"] > vm["id"]


async def test_the_name_of_a_vm_that_has_gone_is_free(api: httpx.AsyncClient, server: Server, virsh: Virsh) -> None:
    vm = await create(api, server, "name")
    virsh("undefine", "name")
    await becomes(api, vm, "error")

    again = await create(api, server, "name")

    assert again["id"] > vm["id"]
    assert [one["id"] for one in (await api.get("/api/vms")).json()["vms"]] == [again["id"]]


async def test_two_vms_that_swap_their_names_keep_their_ids(
    api: httpx.AsyncClient, server: Server, virsh: Virsh
) -> None:
    first, second = await create(api, server, "first"), await create(api, server, "second")
    for before, after in (("first", "other"), ("second", "first"), ("other", "second")):
        virsh("domrename", before, after)

    async def have_swapped() -> bool:
        shown = [(await api.get(f"/api/vms/{vm['id']}")).json()["name"] for vm in (first, second)]
        return shown == ["second", "first"]

    await eventually(have_swapped, "both names have changed")


async def test_a_vm_that_takes_the_name_of_one_that_has_gone_is_shown_as_it_is(
    api: httpx.AsyncClient, server: Server, virsh: Virsh
) -> None:
    gone, heir = await create(api, server, "name"), await create(api, server, "heir")
    virsh("undefine", "name")
    await becomes(api, gone, "error")

    virsh("domrename", "heir", "name")
    virsh("start", "name")

    assert (await becomes(api, heir, "running"))["name"] == "name"


async def test_a_copy_that_carries_anothers_record_is_a_foreign_one(
    api: httpx.AsyncClient, server: Server, virsh: Virsh
) -> None:
    vm = await create(api, server, "original", description="mine", protected=True)
    xml = virsh("dumpxml", "original")
    record = xml[xml.index("<hostler:vm") : xml.index("</metadata>")]
    if "xmlns:hostler" not in record:
        record = record.replace("<hostler:vm ", "<hostler:vm xmlns:hostler='urn:hostler:vm:1' ")

    virsh.define("copy", metadata=record)

    copy = await appears(api, "copy")
    assert copy["id"] != vm["id"]
    assert (copy["description"], copy["protected"]) == ("", False)
    assert (await Machine.get(id=copy["id"])).foreign is True
    assert (await api.get(f"/api/vms/{vm['id']}")).json()["description"] == "mine"


async def test_a_transient_domain_comes_and_goes(api: httpx.AsyncClient, server: Server, virsh: Virsh) -> None:
    virsh("create", str(virsh.xml("fleeting", str(uuid.uuid4()))))
    vm = await appears(api, "fleeting")
    assert vm["status"] == "running"

    virsh("destroy", "fleeting")

    await becomes(api, vm, "error")
    deleted = await api.delete(f"/api/vms/{vm['id']}")
    assert deleted.json()["message"] == "VM 'fleeting' deleted successfully: its host no longer had it"


async def test_a_vm_with_a_job_is_left_to_it(api: httpx.AsyncClient, server: Server, virsh: Virsh) -> None:
    vm = await create(api, server, "busy", start=True)
    waiting = asyncio.create_task(api.post(f"/api/vms/{vm['id']}/stop", params={"timeout": 60}))
    await becomes(api, vm, "stopping")
    virsh("suspend", "busy")
    virsh("resume", "busy")

    await refresh(api, server)

    assert (await api.get(f"/api/vms/{vm['id']}")).json()["status"] == "stopping"
    virsh("destroy", "busy")
    assert (await waiting).status_code == 200
    await becomes(api, vm, "stopped")


@pytest.mark.rule("delete-owned")
async def test_a_disk_that_another_domain_names_is_not_deleted(
    api: httpx.AsyncClient, server: Server, virsh: Virsh, clean_host: Host
) -> None:
    vm = await create(api, server, "owner")
    (disk,) = volumes(clean_host)
    path = clean_host.layout.pools["default"] / disk
    virsh.define(
        "borrower",
        devices=f"<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{path}'/>"
        "<target dev='vda' bus='virtio'/></disk>",
    )

    answer = await api.delete(f"/api/vms/{vm['id']}")

    assert answer.json() == {"message": "VM 'owner' deleted successfully", "detail": "Deleted disks: []"}
    assert volumes(clean_host) == {disk}
    assert domains(clean_host) == {"borrower"}


async def test_many_domains_at_once_all_appear(api: httpx.AsyncClient, server: Server, virsh: Virsh) -> None:
    expected = {f"vm{number}" for number in range(12)}
    for name in expected:
        virsh.define(name)

    async def are_there() -> bool:
        return {vm["name"] for vm in (await api.get("/api/vms?per_page=100")).json()["vms"]} == expected

    await eventually(are_there, "all are listed")
