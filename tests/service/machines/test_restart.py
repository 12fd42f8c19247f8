# SPDX-License-Identifier: GPL-3.0-or-later
"""Restart and reset: the contract's answers, and what they do to real guests.

Most guests here have blank disks: they never react to ACPI, and a reset, whoever orders it, is a reboot to libvirt.
"""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from hostler.hosts.models import Server
from hostler.jobs.models import Job, JobStep
from lab.host import Host
from tests.service.machines.lab_service import create, eventually

pytestmark = [pytest.mark.anyio, pytest.mark.lab]


@pytest.fixture
async def vm(api: httpx.AsyncClient, server: Server) -> dict[str, Any]:
    """A VM that runs, and never hears of ACPI."""
    return await create(api, server, "my-vm", start=True)


def done(vm: dict[str, Any], operation: str, message: str, status: str) -> dict[str, Any]:
    return {
        "id": vm["id"],
        "name": vm["name"],
        "operation": operation,
        "status": "success",
        "message": message,
        "details": {"name": vm["name"], "status": status, "changed": True},
    }


async def restarting(api: httpx.AsyncClient, vm: dict[str, Any], **query: Any) -> asyncio.Task[httpx.Response]:
    """Have a restart wait for the guest."""
    waiting = asyncio.create_task(api.post(f"/api/vms/{vm['id']}/restart", params={"timeout": 60, **query}))

    async def waits() -> bool:
        return await JobStep.filter(name__startswith="Wait up to", state="running").exists()

    await eventually(waits, "the restart waits for its guest")
    return waiting


@pytest.mark.rule("verb-reset", "verb-answer", "restart-kinds")
async def test_reset_presses_the_button(api: httpx.AsyncClient, vm: dict[str, Any], clean_host: Host) -> None:
    process = clean_host.guest_process("my-vm").pid

    answer = await api.post(f"/api/vms/{vm['id']}/reset")

    assert answer.status_code == 200, answer.text
    assert answer.json() == done(vm, "reset", "VM reset successfully", "reset")
    assert clean_host.guest_process("my-vm").pid == process
    assert (await api.get(f"/api/vms/{vm['id']}")).json()["status"] == "running"


@pytest.mark.rule("verb-restart", "restart-kinds")
async def test_a_forced_restart_is_a_power_cycle_whose_stop_nobody_sees(
    api: httpx.AsyncClient, vm: dict[str, Any], clean_host: Host
) -> None:
    process = clean_host.guest_process("my-vm").pid
    clean_host.virsh("setvcpus", "my-vm", "2", "--config", "--maximum")
    clean_host.virsh("setvcpus", "my-vm", "2", "--config")
    restart = asyncio.create_task(api.post(f"/api/vms/{vm['id']}/restart", params={"force": "true"}))
    seen = set()
    while not restart.done():
        seen.add((await api.get(f"/api/vms/{vm['id']}")).json()["status"])
        await asyncio.sleep(0)  # a read without a network between has no other moment in which the restart goes on
    for _ in range(20):  # and what libvirt's events tell of it later
        seen.add((await api.get(f"/api/vms/{vm['id']}")).json()["status"])
        await asyncio.sleep(0.02)

    answer = await restart
    assert answer.status_code == 200, answer.text
    assert answer.json() == done(vm, "restart", "VM restarted successfully", "restarted")
    assert clean_host.guest_process("my-vm").pid != process
    assert "CPU(s):         2" in clean_host.virsh("dominfo", "my-vm")
    assert seen == {"running"}


@pytest.mark.rule("verb-restart", "restart-kinds")
async def test_a_restart_waits_until_the_guest_reboots(
    api: httpx.AsyncClient, vm: dict[str, Any], clean_host: Host
) -> None:
    waiting = await restarting(api, vm)
    assert (await api.get(f"/api/vms/{vm['id']}")).json()["status"] == "running"

    clean_host.virsh("reset", "my-vm")
    answer = await waiting

    assert answer.status_code == 200, answer.text
    assert answer.json() == done(vm, "restart", "VM restarted successfully", "restarted")
    steps = await JobStep.filter(job__action="vm_restart").order_by("position").values_list("name", "state")
    assert steps == [("Ask the guest to restart", "succeeded"), ("Wait up to 60 s for the guest", "succeeded")]


@pytest.mark.rule("restart-kinds")
async def test_a_guest_that_does_not_restart_is_504_and_runs_on(
    api: httpx.AsyncClient, vm: dict[str, Any], clean_host: Host
) -> None:
    process = clean_host.guest_process("my-vm").pid

    answer = await api.post(f"/api/vms/{vm['id']}/restart", params={"timeout": 1})

    assert answer.status_code == 504
    assert answer.json()["detail"] == "The guest did not restart within 1 s; the VM is still running"
    assert clean_host.guest_process("my-vm").pid == process
    job = await Job.get(action="vm_restart")
    assert (job.state, job.error_code, job.parameters) == ("failed", "guest_timeout", {"timeout": 1, "force": False})


async def test_a_guest_that_powers_off_instead_is_told_of(
    api: httpx.AsyncClient, vm: dict[str, Any], clean_host: Host
) -> None:
    waiting = await restarting(api, vm)

    clean_host.virsh("destroy", "my-vm")
    answer = await waiting

    assert answer.status_code == 500
    assert answer.json()["detail"] == "Failed to restart VM: it powered off instead and is off now"
    assert (await api.get(f"/api/vms/{vm['id']}")).json()["status"] == "stopped"


@pytest.mark.rule("one-at-a-time")
async def test_force_stop_takes_the_place_of_a_restart_that_waits(
    api: httpx.AsyncClient, vm: dict[str, Any], clean_host: Host
) -> None:
    waiting = await restarting(api, vm)

    forced = await api.post(f"/api/vms/{vm['id']}/force-stop")
    restarted = await waiting

    assert (forced.status_code, forced.json()["message"]) == (200, "VM force stopped successfully")
    assert (restarted.status_code, restarted.json()["code"]) == (409, "superseded")
    assert (await Job.get(action="vm_restart")).state == "canceled"
    assert clean_host.virsh("domstate", "my-vm") == "shut off"
    assert (await api.get(f"/api/vms/{vm['id']}")).json()["status"] == "stopped"


@pytest.mark.rule("one-at-a-time")
async def test_a_vm_that_restarts_is_busy(api: httpx.AsyncClient, vm: dict[str, Any], clean_host: Host) -> None:
    waiting = await restarting(api, vm)

    for verb in ("restart", "reset", "stop", "start"):
        answer = await api.post(f"/api/vms/{vm['id']}/{verb}")
        assert answer.status_code == 409, verb
        assert answer.json()["detail"] == "VM 'my-vm' has an operation in progress: restart (job 2)"

    clean_host.virsh("reset", "my-vm")
    assert (await waiting).status_code == 200


@pytest.mark.rule("verb-restart", "verb-reset")
async def test_a_stopped_vm_is_400_and_no_job(api: httpx.AsyncClient, server: Server) -> None:
    vm = await create(api, server, "off")
    for address in ("restart", "restart?force=true", "reset"):
        answer = await api.post(f"/api/vms/{vm['id']}/{address}")

        assert (answer.status_code, answer.json()["detail"]) == (400, "VM is not running"), address
    assert await Job.all().count() == 1


async def test_parameters_that_make_no_sense_are_named(api: httpx.AsyncClient, vm: dict[str, Any]) -> None:
    for parameter, value in (("timeout", "0"), ("timeout", "3601"), ("force", "perhaps"), ("forced", "true")):
        answer = await api.post(f"/api/vms/{vm['id']}/restart", params={parameter: value})

        assert answer.status_code == 422, (parameter, value)
        assert [error["field"] for error in answer.json()["errors"]] == [parameter]


@pytest.mark.slow
@pytest.mark.rule("restart-kinds")
async def test_a_restart_whose_connection_is_lost_is_no_success(
    api: httpx.AsyncClient, vm: dict[str, Any], clean_host: Host
) -> None:
    waiting = await restarting(api, vm)

    clean_host.kill_libvirtd()
    clean_host.start_libvirtd()
    answer = await waiting

    assert answer.status_code == 503
    assert "'lab1'" in answer.json()["detail"]


@pytest.mark.slow
@pytest.mark.rule("verb-restart", "restart-kinds")
async def test_a_real_guest_reboots_when_it_is_asked_to(
    api: httpx.AsyncClient, server: Server, clean_host: Host
) -> None:
    vm = await create(
        api, server, "alive", memory_mb=128, disk_gb=1, image="tiny.qcow2", start=True,
        cloud_init={}, network_config={"type": "nat"},
    )  # fmt: skip
    process = clean_host.guest_process("alive").pid

    async def has_address() -> bool:
        return bool((await api.get(f"/api/vms/{vm['id']}")).json()["network"]["ip_address"])

    await eventually(has_address, "the guest has booted", timeout=120)

    answer = await api.post(f"/api/vms/{vm['id']}/restart", params={"timeout": 90})

    assert answer.status_code == 200, answer.text
    assert answer.json()["message"] == "VM restarted successfully"
    assert clean_host.guest_process("alive").pid == process
    assert clean_host.virsh("domstate", "alive") == "running"
