# SPDX-License-Identifier: GPL-3.0-or-later
"""On, off and on again: the verbs of a VM's power."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping
from functools import partial
from typing import Any

from ansible_collections.hostler.libvirt.plugins.module_utils.actions import power
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import GuestTimeout, WrongState
from ansible_collections.hostler.libvirt.plugins.module_utils.machine import ObservedMachine
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.desired import Desired
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.existing import plan_existing
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.power import NOT_RUNNING, require_awake
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.power_steps import PowerOff
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Plan, Step
from hostler.dispatch import Action
from hostler.engine import Engine
from hostler.hosts.connection import HostConnection, Lane
from hostler.jobs.ledger import open_job, require_free
from hostler.jobs.models import StepState
from hostler.jobs.track import JobTrack
from hostler.machines.asked import Asked
from hostler.machines.dry_run import DryRun, dry_run_of, dry_run_of_words
from hostler.machines.models import Machine, MachineStatus
from hostler.machines.operation import carry_out, fenced, order_of, seen, set_status
from hostler.machines.reboot import reboot
from hostler.machines.schemas import OperationDone
from hostler.machines.words import done

_WAITING = (Action.STOP, Action.RESTART)
"""What waits for a guest, and gives way to force-stop."""


async def start(engine: Engine, asked: Asked, row: Machine) -> OperationDone | DryRun:
    """Power the VM on."""
    if asked.dry_run:
        observed = await _observed(engine, row)
        plan = Plan() if observed.is_active else plan_existing(Desired(uuid=row.uuid, state="running"), observed)
        return dry_run_of(plan, observed)
    return await _switch(engine, asked, row, Action.START, "Power the VM on", power.start)


async def force_stop(engine: Engine, asked: Asked, row: Machine) -> OperationDone | DryRun:
    """Pull the VM's plug, also while a stop or a restart is waiting for its guest: that one gives way."""
    title = "Pull the VM's plug"
    if asked.dry_run:
        observed = await _observed(engine, row, supersedes=_WAITING)
        if not observed.is_active:
            return dry_run_of(Plan(), observed)
        step = Step(f"Power off VM '{observed.name}'", PowerOff(row.uuid))
        return dry_run_of(Plan((step,), {"state": observed.status}, {"state": "stopped"}), observed)
    return await _switch(engine, asked, row, Action.FORCE_STOP, title, power.force_stop, supersedes=_WAITING)


async def stop(engine: Engine, asked: Asked, row: Machine, timeout: float, force: bool) -> OperationDone | DryRun:
    """Ask the guest to power off and wait for it; raises `GuestTimeout` if it is still on then, unless forced."""
    if asked.dry_run:
        observed = await _observed(engine, row)
        if not force:
            require_awake(observed.status, "shut down")
        wanted = Desired(uuid=row.uuid, state="stopped", force_after=timeout if force else None, timeout=timeout)
        return dry_run_of(plan_existing(wanted, observed), observed)
    host = engine.host(row.server)
    uuid = row.uuid

    async def work(track: JobTrack) -> Mapping[str, Any]:
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

    job = await open_job(order_of(engine, Action.STOP, asked, {"timeout": timeout, "force": force}), row)
    await set_status(row, MachineStatus.STOPPING)
    result = await carry_out(engine, asked, row, job, work)
    return done(row, Action.STOP, bool(result["changed"]))


async def restart(engine: Engine, asked: Asked, row: Machine, timeout: float, force: bool) -> OperationDone | DryRun:
    """Have the guest reboot and wait for it, or with ``force`` turn it off and on again.

    Raises `WrongState` for a VM that is off, `GuestTimeout` for a guest that did not reboot: it runs on.
    """
    observed = await _observed_running(engine, row)
    if not force:
        require_awake(observed.status, "restart")
    if asked.dry_run:
        title = "Power cycle VM" if force else "Restart VM"
        return dry_run_of_words(f"{title} '{observed.name}'", observed)
    host = engine.host(row.server)

    async def work(track: JobTrack) -> Mapping[str, Any]:
        if force:
            title = "Turn the VM off and on again"
            track.step_started(title)
            await host.call(partial(fenced, track, partial(power.power_cycle, fence=track.fence), row.uuid))
            track.step_finished(title, StepState.SUCCEEDED, changed=True)
        else:
            await reboot(host, row.uuid, track, timeout)
        return {"changed": True}

    job = await open_job(order_of(engine, Action.RESTART, asked, {"timeout": timeout, "force": force}), row)
    await carry_out(engine, asked, row, job, work)
    return done(row, Action.RESTART, changed=True)


async def reset(engine: Engine, asked: Asked, row: Machine) -> OperationDone | DryRun:
    """Press the VM's reset button. Raises `WrongState` for a VM that is off."""
    observed = await _observed_running(engine, row)
    if asked.dry_run:
        return dry_run_of_words(f"Reset VM '{observed.name}'", observed)
    return await _switch(engine, asked, row, Action.RESET, "Press the VM's reset button", power.reset)


async def _switch(
    engine: Engine,
    asked: Asked,
    row: Machine,
    action: Action,
    title: str,
    call: power.Switch,
    supersedes: tuple[Action, ...] = (),
) -> OperationDone:
    host = engine.host(row.server)

    async def work(track: JobTrack) -> Mapping[str, Any]:
        track.step_started(title)
        changed = await host.call(
            partial(fenced, track, call, row.uuid), lane=Lane.URGENT if action is Action.FORCE_STOP else Lane.COMMON
        )
        track.step_finished(title, StepState.SUCCEEDED, changed=changed)
        return {"changed": changed}

    job = await open_job(order_of(engine, action, asked, supersedes=supersedes), row)
    result = await carry_out(engine, asked, row, job, work)
    return done(row, action, bool(result["changed"]))


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


async def _observed(engine: Engine, row: Machine, supersedes: tuple[Action, ...] = ()) -> ObservedMachine:
    """The VM as it is, before there is a job; one that is busy would not let that in, and may not be whole."""
    await require_free(row, supersedes)
    return await seen(engine, row)


async def _observed_running(engine: Engine, row: Machine) -> ObservedMachine:
    observed = await _observed(engine, row)
    if not observed.is_active:
        raise WrongState(NOT_RUNNING)
    return observed
