# SPDX-License-Identifier: GPL-3.0-or-later
"""Opening and closing jobs, and what is written down of them meanwhile."""

from __future__ import annotations

import asyncio
import uuid

import pytest
from fastapi import FastAPI

from hostler.accounts.models import User
from hostler.errors import Conflict, NotFound
from hostler.hosts.models import Server
from hostler.jobs.holders import running_job_of
from hostler.jobs.ledger import PROCESS, Order, close_job, open_job
from hostler.jobs.models import Executor, Job, JobLog, JobState, JobStep, StepState
from hostler.jobs.track import JobTrack
from hostler.machines.models import Machine
from hostler.permission import Caller, Credential, Permission

pytestmark = pytest.mark.anyio


@pytest.fixture
async def caller(app: FastAPI) -> Caller:
    admin = await User.get(id=1)
    return Caller(admin.id, admin.username, frozenset(Permission), Credential.SESSION)


@pytest.fixture
async def machine(app: FastAPI) -> Machine:
    server = await Server.create(hostname="shelf", libvirt_uri="qemu:///system", enabled=False)
    return await Machine.create(
        server=server, name="web", uuid=str(uuid.uuid4()), status="stopped", cpu_cores=1, memory_mb=64, disk_gb=1
    )


def order(caller: Caller, action: str = "vm_start", *supersedes: str) -> Order:
    return Order(action, Executor.DIRECT, caller, {"asked": "for"}, {"changed": True}, supersedes)


async def test_a_job_says_who_asked_for_what_on_which_vm(caller: Caller, machine: Machine) -> None:
    job = await Job.get(id=(await open_job(order(caller), machine)).id)

    assert (job.action, job.executor, job.state) == ("vm_start", "direct", "running")
    assert (job.actor_id, job.actor_name) == (1, "admin")
    assert (job.vm_id, job.vm_uuid, job.vm_name, job.server_id) == (
        machine.id,
        machine.uuid,
        "web",
        machine.server_id,
    )
    assert (job.parameters, job.plan) == ({"asked": "for"}, {"changed": True})
    assert (job.attempt, job.lease_owner, job.generation) == (1, PROCESS, 1)
    assert job.started_at is not None
    assert job.finished_at is None
    assert (await Machine.get(id=machine.id)).generation == machine.generation == 1


async def test_of_many_openings_at_once_one_succeeds(caller: Caller, machine: Machine) -> None:
    rows = [await Machine.get(id=machine.id) for _ in range(5)]

    results = await asyncio.gather(*(open_job(order(caller), row) for row in rows), return_exceptions=True)

    opened = [result for result in results if isinstance(result, Job)]
    assert len(opened) == 1
    for refused in results:
        if not isinstance(refused, Job):
            assert isinstance(refused, Conflict)
            assert refused.message == f"VM 'web' has an operation in progress: start (job {opened[0].id})"


async def test_jobs_of_different_vms_do_not_hinder_each_other(caller: Caller, machine: Machine) -> None:
    other = await Machine.create(
        server_id=machine.server_id,
        name="other",
        uuid=str(uuid.uuid4()),
        status="stopped",
        cpu_cores=1,
        memory_mb=64,
        disk_gb=1,
    )

    await open_job(order(caller), machine)
    await open_job(order(caller), other)

    assert await Job.filter(state="running").count() == 2


async def test_a_job_of_a_vm_that_has_gone_meanwhile_is_not_opened(caller: Caller, machine: Machine) -> None:
    await Machine.filter(id=machine.id).delete()

    with pytest.raises(NotFound, match=f"VM with ID {machine.id} not found"):
        await open_job(order(caller), machine)

    assert not await Job.all().exists()


async def test_only_what_an_order_names_gives_way_to_it(caller: Caller, machine: Machine) -> None:
    first = await open_job(order(caller, "vm_stop"), machine)

    with pytest.raises(Conflict):
        await open_job(order(caller, "vm_start", "vm_resize"), machine)
    second = await open_job(order(caller, "vm_force_stop", "vm_stop"), machine)

    await first.refresh_from_db()
    assert (first.state, first.error_code) == ("canceled", "superseded")
    assert first.error_detail == "Another operation took over: vm_force_stop"
    assert (second.supersedes_id, second.generation) == (first.id, first.generation + 1)
    running = await running_job_of(machine.id)
    assert running is not None
    assert running.id == second.id


async def test_a_job_ends_once(caller: Caller, machine: Machine) -> None:
    job = await open_job(order(caller), machine)

    assert await close_job(job, JobState.SUCCEEDED, result={"changed": True}) is True
    assert await close_job(job, JobState.FAILED, error_code="late", error_detail="Too late") is False

    await job.refresh_from_db()
    assert (job.state, job.error_code, job.result, job.progress) == ("succeeded", None, {"changed": True}, 100)
    assert job.finished_at is not None
    await open_job(order(caller), machine)  # and the VM is free again


async def test_steps_and_lines_are_written_in_the_order_that_they_were_told(caller: Caller, machine: Machine) -> None:
    track = JobTrack(await open_job(order(caller), machine))

    def work() -> None:
        for number in range(20):
            track.step_started(f"step {number}", progress=5 * number)
            track.line(f"line {number}")
            track.step_finished(f"step {number}", StepState.SUCCEEDED, changed=number % 2 == 0, detail=None)
        track.step_finished("never begun", StepState.SKIPPED)

    await asyncio.to_thread(work)
    await track.settle()

    steps = await JobStep.filter(job_id=track.job.id).order_by("position")
    assert [step.name for step in steps] == [*(f"step {number}" for number in range(20)), "never begun"]
    assert {step.state for step in steps[:20]} == {"succeeded"}
    assert steps[20].state == "skipped"
    assert [line.line for line in await JobLog.all().order_by("id")] == [f"line {number}" for number in range(20)]
    assert (await Job.get(id=track.job.id)).progress == 95


async def test_two_steps_of_one_name_are_two(caller: Caller, machine: Machine) -> None:
    track = JobTrack(await open_job(order(caller), machine))

    for state in (StepState.FAILED, StepState.SUCCEEDED):
        track.step_started("try")
        track.step_finished("try", state)
    await track.settle()

    steps = await JobStep.filter(job_id=track.job.id).order_by("position")
    assert [(step.name, step.state) for step in steps] == [("try", "failed"), ("try", "succeeded")]


async def test_what_can_not_be_written_down_keeps_nothing_else_from_it(caller: Caller, machine: Machine) -> None:
    track = JobTrack(await open_job(order(caller), machine))

    track.line("half a pair \ud800", stream="stdout")
    track.line("unheard of", stream="a stream that nobody has ever heard of")
    track.step_started("half a pair \udfff")
    track.line("after it")
    await track.settle()

    assert "after it" in [line.line for line in await JobLog.all()]


async def test_a_step_under_way_when_the_job_ends_has_failed(caller: Caller, machine: Machine) -> None:
    job = await open_job(order(caller), machine)
    track = JobTrack(job)
    track.step_started("half way")
    await track.settle()

    await close_job(job, JobState.FAILED, error_code="x", error_detail="y")

    assert (await JobStep.get(job_id=job.id)).state == "failed"
