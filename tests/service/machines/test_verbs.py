# SPDX-License-Identifier: GPL-3.0-or-later
"""Start, stop, force-stop, resize and delete of real VMs: the contract's answers, and what libvirt has after them.

The guests have blank disks, so they never react to ACPI.
"""

from __future__ import annotations

import asyncio
import contextvars
from typing import Any

import httpx
import pytest
from tortoise.transactions import in_transaction

from hostler.hosts.models import Server
from hostler.jobs.models import Job
from hostler.machines.models import Machine
from lab.host import Host
from tests.service.machines.lab_service import clear, create, domains, eventually, volumes

pytestmark = [pytest.mark.anyio, pytest.mark.lab]

VERBS = ("start", "stop", "force-stop", "restart", "reset", "resize")


@pytest.fixture
async def vm(api: httpx.AsyncClient, server: Server) -> dict[str, Any]:
    return await create(api, server, "my-vm")


def done(vm: dict[str, Any], operation: str, message: str, status: str, changed: bool) -> dict[str, Any]:
    return {
        "id": vm["id"],
        "name": "my-vm",
        "operation": operation,
        "status": "success",
        "message": message,
        "details": {"name": "my-vm", "status": status, "changed": changed},
    }


async def do(api: httpx.AsyncClient, vm: dict[str, Any], verb: str, **query: Any) -> httpx.Response:
    return await api.post(f"/api/vms/{vm['id']}/{verb}", params=query)


async def start(api: httpx.AsyncClient, vm: dict[str, Any]) -> None:
    answer = await do(api, vm, "start")
    assert answer.status_code == 200, answer.text


async def status(api: httpx.AsyncClient, vm: dict[str, Any]) -> str:
    return str((await api.get(f"/api/vms/{vm['id']}")).json()["status"])


async def test_start_and_force_stop_say_what_they_did_or_that_nothing_was_to_do(
    api: httpx.AsyncClient, vm: dict[str, Any], clean_host: Host
) -> None:
    async def answered(verb: str) -> Any:
        answer = await do(api, vm, verb)
        assert answer.status_code == 200, answer.text
        return answer.json()

    assert await answered("stop") == done(vm, "stop", "VM is already stopped", "stopped", False)
    assert await answered("force-stop") == done(vm, "force-stop", "VM is already stopped", "stopped", False)
    assert await answered("start") == done(vm, "start", "VM started successfully", "started", True)

    assert clean_host.virsh("domstate", "my-vm") == "running"
    shown = (await api.get(f"/api/vms/{vm['id']}")).json()
    assert shown["status"] == "running"
    assert shown["vnc_port"] == 5900 + int(clean_host.virsh("vncdisplay", "my-vm").rpartition(":")[2])

    assert await answered("start") == done(vm, "start", "VM is already running", "started", False)
    assert await answered("force-stop") == done(vm, "force-stop", "VM force stopped successfully", "stopped", True)

    assert clean_host.virsh("domstate", "my-vm") == "shut off"
    shown = (await api.get(f"/api/vms/{vm['id']}")).json()
    assert (shown["status"], shown["vnc_port"]) == ("stopped", None)


async def test_a_uuid_does_for_verbs_too(api: httpx.AsyncClient, vm: dict[str, Any], clean_host: Host) -> None:
    answer = await api.post(f"/api/vms/{vm['uuid']}/start")

    assert answer.json()["id"] == vm["id"]
    assert clean_host.virsh("domstate", "my-vm") == "running"


@pytest.mark.rule("start-paused")
async def test_a_paused_vm_goes_on_when_it_is_started_and_is_stopped_by_force(
    api: httpx.AsyncClient, vm: dict[str, Any], clean_host: Host
) -> None:
    await start(api, vm)
    clean_host.virsh("suspend", "my-vm")

    rehearsed = (await do(api, vm, "start", dry_run="true")).json()
    assert rehearsed["changed"] is True
    assert clean_host.virsh("domstate", "my-vm") == "paused"
    answer = await do(api, vm, "start")
    assert answer.json() == done(vm, "start", "VM started successfully", "started", True)
    assert clean_host.virsh("domstate", "my-vm") == "running"
    assert await status(api, vm) == "running"
    assert (await do(api, vm, "start")).json()["details"]["changed"] is False

    clean_host.virsh("suspend", "my-vm")
    assert (await do(api, vm, "force-stop")).json()["details"]["changed"] is True
    assert await status(api, vm) == "stopped"


@pytest.mark.rule("stop-waits")
async def test_a_guest_that_does_not_shut_down_is_504_and_runs_on(
    api: httpx.AsyncClient, vm: dict[str, Any], clean_host: Host
) -> None:
    await start(api, vm)

    answer = await do(api, vm, "stop", timeout=1)

    assert answer.status_code == 504
    assert answer.json()["detail"] == "The guest did not shut down within 1 s; the VM is still running"
    assert clean_host.virsh("domstate", "my-vm") == "running"
    assert await status(api, vm) == "running"
    job = await Job.filter(action="vm_stop").get()
    assert (job.state, job.error_code, job.error_detail) == ("failed", "guest_timeout", answer.json()["detail"])


async def test_a_forced_stop_pulls_the_plug_after_its_timeout(
    api: httpx.AsyncClient, vm: dict[str, Any], clean_host: Host
) -> None:
    await start(api, vm)

    answer = await do(api, vm, "stop", timeout=1, force="true")

    assert answer.json() == done(vm, "stop", "VM stopped successfully", "stopped", True)
    assert clean_host.virsh("domstate", "my-vm") == "shut off"
    assert await status(api, vm) == "stopped"


@pytest.mark.rule("stop-waits", "restart-kinds", "dry-run")
async def test_a_guest_that_is_paused_hears_nothing_and_a_forced_stop_needs_no_guest(
    api: httpx.AsyncClient, vm: dict[str, Any], clean_host: Host
) -> None:
    await start(api, vm)
    clean_host.virsh("suspend", "my-vm")
    for verb, detail in (
        ("stop", "VM is paused: its guest can't shut down"),
        ("restart", "VM is paused: its guest can't restart"),
    ):
        for query in ({}, {"dry_run": True}):
            refused = await do(api, vm, verb, **query)
            assert (refused.status_code, refused.json()["detail"]) == (400, detail)
    assert await status(api, vm) == "paused"

    assert (await do(api, vm, "stop", force=True, dry_run=True)).json()["changed"] is True
    forced = await do(api, vm, "stop", force=True, timeout=600)

    assert forced.json() == done(vm, "stop", "VM stopped successfully", "stopped", True)
    assert await status(api, vm) == "stopped"


async def test_a_stop_with_a_parameter_that_makes_no_sense_is_422(api: httpx.AsyncClient, vm: dict[str, Any]) -> None:
    for parameter, value in (("timeout", "0"), ("timeout", "3601"), ("timeout", "soon"), ("force", "perhaps")):
        answer = await do(api, vm, "stop", **{parameter: value})

        assert answer.status_code == 422, (parameter, value)
        assert [error["field"] for error in answer.json()["errors"]] == [parameter]


async def test_a_resize_changes_the_sizes_of_the_next_start(
    api: httpx.AsyncClient, vm: dict[str, Any], clean_host: Host
) -> None:
    sizes = {"cpu_cores": 2, "memory_mb": 96, "disk_gb": 0.25}

    answer = await api.post(f"/api/vms/{vm['id']}/resize", json=sizes)

    assert answer.status_code == 200, answer.text
    assert answer.json() == done(vm, "resize", "VM resized successfully", "resized", True)
    assert (await api.get(f"/api/vms/{vm['id']}")).json()["resources"] == sizes
    info = clean_host.virsh("dominfo", "my-vm")
    assert "CPU(s):         2" in info
    assert "Max memory:     98304 KiB" in info
    assert "Capacity:       268435456" in clean_host.virsh("domblkinfo", "my-vm", "vda")

    again = await api.post(f"/api/vms/{vm['id']}/resize", json=sizes)

    assert again.json() == done(vm, "resize", "VM already has these resources", "resized", False)


async def test_a_resize_of_nothing_has_nothing_to_do(api: httpx.AsyncClient, vm: dict[str, Any]) -> None:
    answer = await api.post(f"/api/vms/{vm['id']}/resize", json={})

    assert answer.json() == done(vm, "resize", "VM already has these resources", "resized", False)


async def test_a_running_vm_is_not_resized_in_the_contracts_words(
    api: httpx.AsyncClient, vm: dict[str, Any], clean_host: Host
) -> None:
    await start(api, vm)

    answer = await api.post(f"/api/vms/{vm['id']}/resize", json={"memory_mb": 96})

    assert answer.status_code == 400
    assert answer.json()["detail"] == "VM must be stopped before resizing"
    assert "Max memory:     65536 KiB" in clean_host.virsh("dominfo", "my-vm")


async def test_a_disk_never_shrinks(api: httpx.AsyncClient, vm: dict[str, Any], clean_host: Host) -> None:
    answer = await api.post(f"/api/vms/{vm['id']}/resize", json={"memory_mb": 96, "disk_gb": 0.1})

    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == ["disk_gb"]
    assert (await api.get(f"/api/vms/{vm['id']}")).json()["resources"] == vm["resources"]
    assert "Max memory:     65536 KiB" in clean_host.virsh("dominfo", "my-vm")


async def test_sizes_that_can_be_nowhere_are_422_and_named(api: httpx.AsyncClient, vm: dict[str, Any]) -> None:
    impossible: dict[str, list[Any]] = {
        "cpu_cores": [0, -1, 513, 1.5, "2", True, [1]],
        "memory_mb": [0, 31, 2**40, 64.5, "64"],
        "disk_gb": [0, -1, 65537, True, "1", 10**400],
        "disk": [1],
        "server_id": [1],
    }
    for field, values in impossible.items():
        for value in values:
            answer = await api.post(f"/api/vms/{vm['id']}/resize", json={field: value})

            assert answer.status_code == 422, (field, value)
            assert [error["field"] for error in answer.json()["errors"]] == [field]
    for text in ('{"disk_gb": NaN}', '{"disk_gb": Infinity}', '{"disk_gb": 1', "[]", "null", '"x"', ""):
        answer = await api.post(
            f"/api/vms/{vm['id']}/resize", content=text, headers={"Content-Type": "application/json"}
        )
        assert answer.status_code == 422, text
    assert (await api.get(f"/api/vms/{vm['id']}")).json()["resources"] == vm["resources"]


async def test_delete_takes_a_running_vm_and_its_disk_away(
    api: httpx.AsyncClient, vm: dict[str, Any], clean_host: Host
) -> None:
    (disk,) = volumes(clean_host)
    await start(api, vm)

    answer = await api.delete(f"/api/vms/{vm['id']}", params={"delete_disks": "true"})

    assert answer.status_code == 200
    path = clean_host.layout.pools["default"] / disk
    assert answer.json() == {
        "message": "VM 'my-vm' deleted successfully",
        "detail": f"Deleted disks: ['{path}']",
    }
    assert domains(clean_host) == set()
    assert volumes(clean_host) == set()
    gone = await api.get(f"/api/vms/{vm['id']}")
    assert (gone.status_code, gone.json()["detail"]) == (404, f"VM with ID {vm['id']} not found")


async def test_delete_leaves_the_disk_where_it_is_told_to(
    api: httpx.AsyncClient, vm: dict[str, Any], clean_host: Host
) -> None:
    kept = volumes(clean_host)

    answer = await api.delete(f"/api/vms/{vm['id']}", params={"delete_disks": "false"})

    assert answer.json() == {"message": "VM 'my-vm' deleted successfully", "detail": "Deleted disks: []"}
    assert domains(clean_host) == set()
    assert volumes(clean_host) == kept


async def test_an_id_is_never_used_again(api: httpx.AsyncClient, vm: dict[str, Any], server: Server) -> None:
    await api.delete(f"/api/vms/{vm['id']}")

    again = await create(api, server, "my-vm")

    assert again["id"] > vm["id"]
    assert again["uuid"] != vm["uuid"]


@pytest.mark.rule("delete-gone")
async def test_delete_of_a_vm_that_libvirt_has_no_more_forgets_it_and_says_so(
    api: httpx.AsyncClient, vm: dict[str, Any], clean_host: Host
) -> None:
    clear(clean_host)

    answer = await api.delete(f"/api/vms/{vm['id']}")

    assert answer.status_code == 200
    assert answer.json() == {
        "message": "VM 'my-vm' deleted successfully: its host no longer had it",
        "detail": "Deleted disks: []",
    }
    assert not await Machine.filter(id=vm["id"]).exists()


async def test_a_verb_on_a_vm_that_libvirt_has_no_more_is_404_naming_its_host(
    api: httpx.AsyncClient, vm: dict[str, Any], clean_host: Host
) -> None:
    clear(clean_host)
    for verb in VERBS:
        body = {"memory_mb": 96} if verb == "resize" else None
        answer = await api.post(f"/api/vms/{vm['id']}/{verb}", json=body)

        assert answer.status_code == 404
        assert answer.json()["detail"] == "VM 'my-vm' is no longer on host 'lab1'"


async def test_a_protected_vm_is_not_deleted(api: httpx.AsyncClient, server: Server, clean_host: Host) -> None:
    vm = await create(api, server, "precious", protected=True)

    answer = await api.delete(f"/api/vms/{vm['id']}")

    assert answer.status_code == 400
    assert answer.json()["detail"] == "VM 'precious' is protected: take that off before deleting it"
    assert domains(clean_host) == {"precious"}
    assert await status(api, vm) == "stopped"


async def test_verbs_on_an_unknown_vm_are_404(api: httpx.AsyncClient, server: Server) -> None:
    answers = [await api.post(f"/api/vms/999/{verb}", json={}) for verb in VERBS]
    answers.append(await api.delete("/api/vms/999"))

    for answer in answers:
        assert (answer.status_code, answer.json()["detail"]) == (404, "VM with ID 999 not found")


async def test_of_two_deletes_one_finds_the_vm_gone_or_busy(
    api: httpx.AsyncClient, vm: dict[str, Any], clean_host: Host
) -> None:
    answers = await asyncio.gather(*(api.delete(f"/api/vms/{vm['id']}") for _ in range(5)))

    codes = sorted(answer.status_code for answer in answers)
    assert codes[0] == 200
    assert set(codes[1:]) <= {404, 409}
    assert domains(clean_host) == set()


async def test_a_vm_that_was_started_meanwhile_is_powered_off_before_its_disk_goes(
    api: httpx.AsyncClient, vm: dict[str, Any], clean_host: Host
) -> None:
    outside = contextvars.copy_context()
    async with in_transaction():
        await Machine.select_for_update().get(id=vm["id"])
        # the delete looks at the VM, and then waits for its turn to write its job down
        waiting = asyncio.create_task(api.delete(f"/api/vms/{vm['id']}"), context=outside)
        await asyncio.sleep(0.5)
        await asyncio.to_thread(clean_host.virsh, "start", "my-vm")
    answer = await waiting

    assert answer.status_code == 200, answer.text
    assert domains(clean_host) == set()
    assert volumes(clean_host) == set()


async def test_nobody_else_is_shown_a_deleted_vm(api: httpx.AsyncClient, vm: dict[str, Any], server: Server) -> None:
    other = await create(api, server, "other")
    await api.delete(f"/api/vms/{vm['id']}")
    await api.post(f"/api/servers/{server.id}/refresh")

    async def is_alone() -> bool:
        return [one["id"] for one in (await api.get("/api/vms")).json()["vms"]] == [other["id"]]

    await eventually(is_alone, "only the other VM is listed")
