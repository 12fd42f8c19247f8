# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs that end otherwise than well, by whose hand they end, and drift that is adopted."""

from __future__ import annotations

import uuid

import pytest
from fastapi import FastAPI
from tortoise.transactions import in_transaction

from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.volume import VolumeFacts
from hostler.accounts.models import User
from hostler.audit.origin import acting, of_command, origin, stranger
from hostler.cli import images as image_commands
from hostler.drift.differences import differences
from hostler.drift.ways_out import adopt
from hostler.hosts.models import Server
from hostler.images.models import Image
from hostler.jobs.cancel import cancel
from hostler.jobs.crew import Crew
from hostler.jobs.ledger import Order, close_job, open_host_job, open_job
from hostler.jobs.models import Executor, Job, JobState
from hostler.machines.models import Machine
from hostler.permission import Caller, Credential, Permission
from tests.service.audit.conftest import audited, last

pytestmark = pytest.mark.anyio


@pytest.fixture
async def caller(app: FastAPI) -> Caller:
    admin = await User.get(id=1)
    return Caller(admin.id, admin.username, frozenset(Permission), Credential.SESSION)


@pytest.fixture
async def machine(app: FastAPI) -> Machine:
    server = await Server.create(hostname="shelf", libvirt_uri="qemu:///system", enabled=False)
    return await Machine.create(
        server=server,
        name="web",
        uuid=str(uuid.uuid4()),
        status="stopped",
        cpu_cores=3,
        memory_mb=64,
        disk_gb=1,
        spec={"cpu_cores": 1},
        drift=differences({"cpu_cores": 1}, {"cpu_cores": 3}),
    )


def order(caller: Caller, action: str, *supersedes: str) -> Order:
    plan = {"before": {"memory_mb": 64}, "after": {"memory_mb": 128}}
    return Order(action, Executor.DIRECT, caller, {"memory_mb": 128, "live": True}, plan, supersedes)


async def test_what_is_asked_and_planned_is_there_once(caller: Caller, machine: Machine) -> None:
    job = await open_job(order(caller, "vm_resize"), machine)

    entry = await last("vm.resize")
    assert (entry["before"], entry["after"]) == ({"memory_mb": 64}, {"memory_mb": 128})
    assert entry["details"] == {
        "job_id": job.id,
        "server_id": machine.server_id,
        "executor": "direct",
        "parameters": {"live": True},
    }


async def test_a_job_that_fails_says_why(caller: Caller, machine: Machine) -> None:
    job = await open_job(order(caller, "vm_start"), machine)
    await close_job(job, JobState.FAILED, error_code="operation_failed", error_detail="no room")
    await close_job(job, JobState.SUCCEEDED)

    accepted, failed = await audited("vm.start")
    assert (accepted["outcome"], failed["outcome"]) == ("accepted", "failed")
    assert failed["details"] == {
        "job_id": job.id,
        "server_id": machine.server_id,
        "state": "failed",
        "error": "operation_failed",
        "reason": "no room",
    }


async def test_a_job_that_gives_way_ends_by_the_hand_of_who_takes_over(caller: Caller, machine: Machine) -> None:
    await open_job(order(caller, "vm_stop"), machine)
    eve = Caller(7, "eve", frozenset(Permission), Credential.SESSION)
    with acting(stranger("192.0.2.7", "r7").by(eve)):
        await open_job(order(caller, "vm_force_stop", "vm_stop"), machine)

    ended, began = (await audited())[-2:]
    assert (ended["action"], ended["outcome"], ended["actor"]) == ("vm.stop", "failed", "eve")
    assert ended["details"]["error"] == "superseded"
    assert (began["action"], began["outcome"]) == ("vm.force_stop", "accepted")
    assert began["details"]["supersedes_job_id"] == ended["details"]["job_id"]


async def test_a_job_that_another_process_ends_is_still_that_of_who_asked(caller: Caller, machine: Machine) -> None:
    with acting(stranger("192.0.2.1", "the-request").by(caller)):
        job = await open_job(order(caller, "vm_start"), machine)
        assert (await last("vm.start"))["auth"] == "session"
    await Job.filter(id=job.id).update(request_id="the-request")

    await close_job(await Job.get(id=job.id), JobState.FAILED, error_code="cut_off", error_detail="it was stopped")

    entry = await last("vm.start")
    assert (entry["actor"], entry["actor_id"], entry["auth"]) == ("admin", 1, "service")
    assert (entry["request_id"], entry["address"]) == ("the-request", None)


async def test_who_wants_a_job_to_end_is_on_record_once(caller: Caller, machine: Machine) -> None:
    job = await open_job(order(caller, "vm_start"), machine)
    eve = Caller(7, "eve", frozenset(Permission), Credential.API_TOKEN, token_prefix="hostler_abcd", token_name="t")
    with acting(stranger("192.0.2.7", "r7").by(eve)):
        for _ in range(2):
            await cancel(Crew(1), job.id)

    (entry,) = await audited("job.cancel")
    assert (entry["actor"], entry["auth"], entry["token_prefix"]) == ("eve", "token", "hostler_abcd")
    assert (entry["target_kind"], entry["target_id"], entry["target_name"]) == ("job", job.id, "vm.start")
    assert entry["details"] == {"vm_id": machine.id}


async def test_a_queued_job_that_is_canceled_ends_with_that(caller: Caller, machine: Machine) -> None:
    job = await Job.create(action="vm_start", executor="direct", vm_id=machine.id, vm_name="web", actor_name="admin")

    await cancel(Crew(1), job.id)

    asked, ended = (await audited())[-2:]
    assert (asked["action"], asked["outcome"]) == ("job.cancel", "accepted")
    assert (ended["action"], ended["outcome"], ended["details"]["state"]) == ("vm.start", "failed", "canceled")


async def test_a_job_of_no_vm_names_what_it_is_about(caller: Caller, machine: Machine) -> None:
    upload = Order("image_upload", Executor.DIRECT, caller, {"name": "debian.qcow2", "pool": "images"})

    await open_host_job(upload, machine.server_id)

    entry = await last("image.upload")
    assert (entry["target_kind"], entry["target_id"], entry["target_name"]) == ("image", None, "debian.qcow2")
    assert entry["details"]["parameters"] == {"name": "debian.qcow2", "pool": "images"}


async def test_a_job_that_is_not_opened_is_not_recorded(caller: Caller, machine: Machine) -> None:
    with pytest.raises(RuntimeError):
        async with in_transaction():
            await open_job(order(caller, "vm_start"), machine)
            raise RuntimeError

    assert await audited("vm.start") == []
    assert await Job.all().count() == 0


async def test_drift_that_is_adopted(machine: Machine) -> None:
    await adopt(machine, lambda _row: None)
    await adopt(machine, lambda _row: None)

    (entry,) = await audited("vm.adopt_drift")
    assert (entry["target_id"], entry["before"], entry["after"]) == (machine.id, {"cpu_cores": 1}, {"cpu_cores": 3})


async def test_images_that_commands_put_on_a_server_or_take_away(machine: Machine) -> None:
    server = await Server.get(id=machine.server_id)
    facts = VolumeFacts(
        name="debian.qcow2", path="/images/debian.qcow2", format="qcow2", capacity=1, allocation=1, backing_path=None
    )
    with acting(of_command()):
        row = await image_commands._written_down(server, facts)
        await image_commands._forget(server, "debian.qcow2")

    uploaded, deleted = await last("image.upload"), await last("image.delete")
    assert (uploaded["auth"], uploaded["target_id"], uploaded["target_name"]) == ("cli", row.id, "debian.qcow2")
    assert (deleted["auth"], deleted["target_name"]) == ("cli", "debian.qcow2")
    assert await Image.all().count() == 0


async def test_who_acts_is_forgotten_with_the_block() -> None:
    with acting(stranger("192.0.2.7", "r7")):
        assert origin().address == "192.0.2.7"
    assert origin().actor == "hostler"
