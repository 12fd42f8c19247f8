# SPDX-License-Identifier: GPL-3.0-or-later
"""On, off and on again: the verbs of a VM's power."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any

from ansible_collections.hostler.libvirt.plugins.module_utils.actions import power
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import GuestTimeout, WrongState
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.machine import ObservedMachine
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.desired import Desired
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.existing import plan_existing
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.power import NOT_RUNNING, require_awake
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.power_steps import PowerOff
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Plan, Step
from hostler.dispatch import WAITS_FOR_GUEST, Action
from hostler.engine import Engine
from hostler.hosts.connection import HostConnection, Lane
from hostler.jobs.holders import require_free
from hostler.jobs.idempotency import Attempt, once
from hostler.jobs.ledger import open_job
from hostler.jobs.models import Job, StepState
from hostler.jobs.track import JobTrack
from hostler.machines.asked import Asked
from hostler.machines.dry_run import DryRun, dry_run_of, dry_run_of_words
from hostler.machines.models import Machine, MachineStatus
from hostler.machines.operation import (
    Perform,
    carry_out,
    fenced,
    looking_again,
    order_of,
    seen,
    set_status,
    waits,
)
from hostler.machines.reboot import reboot
from hostler.machines.schemas import OperationDone
from hostler.machines.words import done


async def start(engine: Engine, asked: Asked, row: Machine) -> OperationDone | DryRun:
    """Power the VM on, or let one that is paused go on: whoever starts it wants it to run."""
    if asked.dry_run:
        observed = await _observed(engine, row)
        is_to_run = not observed.is_active or observed.status == MachineStatus.PAUSED
        plan = plan_existing(Desired(uuid=row.uuid, state="running"), observed) if is_to_run else Plan()
        return dry_run_of(plan, observed)
    return await _carry_out(engine, asked, row, Action.START)


async def force_stop(engine: Engine, asked: Asked, row: Machine) -> OperationDone | DryRun:
    """Pull the VM's plug, also while a stop or a restart is waiting for its guest: that one gives way."""
    if asked.dry_run:
        observed = await _observed(engine, row, supersedes=WAITS_FOR_GUEST)
        if not observed.is_active:
            return dry_run_of(Plan(), observed)
        step = Step(f"Power off VM '{observed.name}'", PowerOff(row.uuid))
        return dry_run_of(Plan((step,), {"state": observed.status}, {"state": "stopped"}), observed)
    return await _carry_out(engine, asked, row, Action.FORCE_STOP, supersedes=WAITS_FOR_GUEST)


async def stop(engine: Engine, asked: Asked, row: Machine, timeout: float, force: bool) -> OperationDone | DryRun:
    """Ask the guest to power off and wait for it; raises `GuestTimeout` if it is still on then, unless forced."""
    if asked.dry_run:
        observed = await _observed(engine, row)
        if not force:
            require_awake(observed.status, "shut down")
        wanted = Desired(uuid=row.uuid, state="stopped", force_after=timeout if force else None, timeout=timeout)
        return dry_run_of(plan_existing(wanted, observed), observed)
    return await _carry_out(engine, asked, row, Action.STOP, {"timeout": timeout, "force": force})


async def restart(engine: Engine, asked: Asked, row: Machine, timeout: float, force: bool) -> OperationDone | DryRun:
    """Have the guest reboot and wait for it, or with ``force`` turn it off and on again.

    Raises `WrongState` for a VM that is off, `GuestTimeout` for a guest that did not reboot: it runs on.
    """

    def require(observed: ObservedMachine) -> None:
        _require_running(observed)
        if not force:
            require_awake(observed.status, "restart")

    if asked.dry_run:
        title = "Power cycle VM" if force else "Restart VM"
        return dry_run_of_words(*await _rehearsed(engine, row, title, require))
    return await _carry_out(engine, asked, row, Action.RESTART, {"timeout": timeout, "force": force}, require=require)


async def reset(engine: Engine, asked: Asked, row: Machine) -> OperationDone | DryRun:
    """Press the VM's reset button. Raises `WrongState` for a VM that is off."""
    if asked.dry_run:
        return dry_run_of_words(*await _rehearsed(engine, row, "Reset VM", _require_running))
    return await _carry_out(engine, asked, row, Action.RESET, require=_require_running)


async def _carry_out(
    engine: Engine,
    asked: Asked,
    row: Machine,
    action: Action,
    parameters: Mapping[str, Any] | None = None,
    supersedes: Collection[str] = (),
    require: Callable[[ObservedMachine], None] | None = None,
) -> OperationDone:
    async def begin(attempt: Attempt | None) -> Mapping[str, Any]:
        if require is not None and not await waits(asked, row):
            require(await _observed(engine, row))
        order = order_of(engine, action, asked, parameters, supersedes=supersedes, attempt=attempt)
        return await carry_out(engine, asked, row, await open_job(order, row), PERFORM[action])

    result = await once(asked.attempt(action, row.id, parameters or {}), engine.crew, asked.preference, begin)
    return done(row, action, bool(result.get("changed", True)))


async def _rehearsed(
    engine: Engine, row: Machine, title: str, require: Callable[[ObservedMachine], None]
) -> tuple[str, ObservedMachine]:
    observed = await _observed(engine, row)
    require(observed)
    return f"{title} '{observed.name}'", observed


def _start(hypervisor: Hypervisor, uuid: str) -> bool:
    return power.start(hypervisor, uuid) or power.resume(hypervisor, uuid)


_SWITCHES: Mapping[Action, tuple[str, power.Switch, Lane]] = {
    Action.START: ("Power the VM on", _start, Lane.COMMON),
    Action.FORCE_STOP: ("Pull the VM's plug", power.force_stop, Lane.URGENT),
    Action.RESET: ("Press the VM's reset button", power.reset, Lane.COMMON),
}


async def _switch(engine: Engine, row: Machine, job: Job, track: JobTrack) -> Mapping[str, Any]:
    title, call, lane = _SWITCHES[Action(job.action)]
    track.step_started(title)
    changed = await engine.host(row.server).call(partial(fenced, track, call, row.uuid), lane=lane)
    track.step_finished(title, StepState.SUCCEEDED, changed=changed)
    return {"changed": changed}


async def _stop(engine: Engine, row: Machine, job: Job, track: JobTrack) -> Mapping[str, Any]:
    timeout, force = _timeout(job), bool(job.parameters["force"])
    host, uuid = engine.host(row.server), row.uuid
    await set_status(row, MachineStatus.STOPPING, if_in_sight=True)
    title = "Ask the guest to power off"
    track.step_started(title)
    try:
        changed = await host.call(partial(fenced, track, power.ask_to_stop, uuid))
    except WrongState as error:
        track.step_finished(title, StepState.FAILED, detail=error.message)
        if not force:
            raise
        return {"changed": await _pull_the_plug(host, uuid, track)}  # a guest that hears nothing needs no time
    track.step_finished(title, StepState.SUCCEEDED, changed=changed)
    if changed:
        title = f"Wait up to {timeout:g} s for the guest"
        track.step_started(title, progress=50)
        if not await _wait_until_off(host, uuid, track, timeout):
            track.step_finished(title, StepState.FAILED, detail="The guest is still on")
            if not force:
                raise GuestTimeout(f"The guest did not shut down within {timeout:g} s; the VM is still running")
            await _pull_the_plug(host, uuid, track)
        else:
            track.step_finished(title, StepState.SUCCEEDED, changed=True)
    return {"changed": changed}


async def _restart(engine: Engine, row: Machine, job: Job, track: JobTrack) -> Mapping[str, Any]:
    host = engine.host(row.server)
    if job.parameters["force"]:
        title = "Turn the VM off and on again"
        track.step_started(title)
        await host.call(partial(fenced, track, partial(power.power_cycle, fence=track.fence), row.uuid))
        track.step_finished(title, StepState.SUCCEEDED, changed=True)
    else:
        await reboot(host, row.uuid, track, _timeout(job))
    return {"changed": True}


def _timeout(job: Job) -> float:
    timeout = job.parameters["timeout"]
    assert isinstance(timeout, int | float)  # noqa: S101 - a job's parameters are typed as anything
    return timeout


PERFORM: Mapping[Action, Perform] = {
    **{action: looking_again(_switch) for action in _SWITCHES},
    Action.STOP: looking_again(_stop),
    Action.RESTART: looking_again(_restart),
}
"""How the job of each verb is carried out."""


async def _pull_the_plug(host: HostConnection, uuid: str, track: JobTrack) -> bool:
    title = "Pull the VM's plug"
    track.step_started(title, progress=90)
    changed = await host.call(partial(fenced, track, power.force_stop, uuid), lane=Lane.URGENT)
    track.step_finished(title, StepState.SUCCEEDED, changed=changed)
    return changed


async def _wait_until_off(host: HostConnection, uuid: str, track: JobTrack, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    asked = time.monotonic()
    while not await host.call(partial(power.is_off, uuid=uuid)):
        if time.monotonic() >= deadline:
            return False
        if time.monotonic() - asked >= power.ASK_AGAIN_SECONDS:
            with contextlib.suppress(WrongState):  # paused meanwhile: it may go on in time
                await host.call(partial(fenced, track, power.ask_to_stop, uuid))
            asked = time.monotonic()
        await asyncio.sleep(power.LOOK_AGAIN_SECONDS)
    return True


async def _observed(engine: Engine, row: Machine, supersedes: Collection[str] = ()) -> ObservedMachine:
    """The VM as it is, before there is a job; one that is busy would not let that in, and may not be whole."""
    await require_free(row, supersedes)
    return await seen(engine, row)


def _require_running(observed: ObservedMachine) -> None:
    if not observed.is_active:
        raise WrongState(NOT_RUNNING)
