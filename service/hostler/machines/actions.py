# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be done to a VM that is there. Each action is a job, committed before anything happens.

The verbs, their words and their answers stand in the table `VERBS`; making a VM is a room of its own (`creation`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from ansible_collections.hostler.libvirt.plugins.module_utils.actions import delete as core_delete
from ansible_collections.hostler.libvirt.plugins.module_utils.actions import power
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.observe import observe
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.perform import perform
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import GuestTimeout, InvalidSpec, MachineNotFound
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.machine import ObservedMachine
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.change import plan_resize
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Plan
from ansible_collections.hostler.libvirt.plugins.module_utils.spec import Resources
from hostler.dispatch import Action, executor_of
from hostler.engine import Engine
from hostler.errors import NotFound
from hostler.jobs.crew import Work
from hostler.jobs.ledger import Order, open_job
from hostler.jobs.models import Executor, StepState
from hostler.jobs.track import JobTrack
from hostler.machines.misfit import bad_field
from hostler.machines.models import Machine, MachineStatus
from hostler.machines.observation import write_down
from hostler.machines.playbooks import run_playbook
from hostler.machines.schemas import Deleted, OperationDetails, OperationDone
from hostler.permission import Caller


@dataclass(frozen=True)
class Verb:
    """The words of one verb's answer (api-decisions, The verbs)."""

    operation: str
    message: str
    status: str
    nothing_to_do: str


VERBS: Mapping[Action, Verb] = {
    Action.START: Verb("start", "VM started successfully", "started", "VM is already running"),
    Action.STOP: Verb("stop", "VM stopped successfully", "stopped", "VM is already stopped"),
    Action.FORCE_STOP: Verb("force-stop", "VM force stopped successfully", "stopped", "VM is already stopped"),
    Action.RESIZE: Verb("resize", "VM resized successfully", "resized", "VM already has these resources"),
}


async def start(engine: Engine, caller: Caller, row: Machine) -> OperationDone:
    """Power the VM on."""
    return await _switch(engine, caller, row, Action.START, "Power the VM on", power.start)


async def force_stop(engine: Engine, caller: Caller, row: Machine) -> OperationDone:
    """Pull the VM's plug, also while a stop is waiting for its guest: that one gives way."""
    return await _switch(
        engine, caller, row, Action.FORCE_STOP, "Pull the VM's plug", power.force_stop, supersedes=(Action.STOP,)
    )


async def stop(engine: Engine, caller: Caller, row: Machine, timeout: float, force: bool) -> OperationDone:
    """Ask the guest to power off and wait for it; raises `GuestTimeout` if it is still on then, unless forced."""
    host = engine.host(row.server)
    uuid = row.uuid

    async def work(track: JobTrack) -> Mapping[str, Any]:
        title = "Ask the guest to power off"
        track.step_started(title)
        changed = await host.call(partial(_fenced, track, power.ask_to_stop, uuid))
        track.step_finished(title, StepState.SUCCEEDED, changed=changed)
        if changed:
            title = f"Wait up to {timeout:g} s for the guest"
            track.step_started(title, progress=50)
            if not await _wait_until_off(track, timeout):
                track.step_finished(title, StepState.FAILED, detail="The guest is still on")
                if not force:
                    raise GuestTimeout(f"The guest did not shut down within {timeout:g} s; the VM is still running")
                track.step_started("Pull the VM's plug", progress=90)
                await host.call(partial(_fenced, track, power.force_stop, uuid), urgent=True)
                title = "Pull the VM's plug"
            track.step_finished(title, StepState.SUCCEEDED, changed=True)
        return {"changed": changed}

    async def _wait_until_off(track: JobTrack, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        asked = time.monotonic()
        while not await host.call(lambda hypervisor: power.is_off(hypervisor, uuid)):
            if time.monotonic() >= deadline:
                return False
            if time.monotonic() - asked >= power.ASK_AGAIN_SECONDS:
                await host.call(partial(_fenced, track, power.ask_to_stop, uuid))
                asked = time.monotonic()
            await asyncio.sleep(power.LOOK_AGAIN_SECONDS)
        return True

    order = _order(engine, Action.STOP, caller, {"timeout": timeout, "force": force})
    return await _verb(engine, row, order, work, while_running=MachineStatus.STOPPING)


async def resize(engine: Engine, caller: Caller, row: Machine, wanted: Resources) -> OperationDone:
    """Give the VM other sizes; it has to be off. Raises `WrongState`, `InvalidSpec`."""
    host = engine.host(row.server)
    uuid = row.uuid
    sizes = {"cpu_cores": wanted.cpu_cores, "memory_mb": wanted.memory_mb, "disk_gb": wanted.disk_gb}
    try:
        # asked before there is a job, so that what can't be is said at once and nothing is on record for it
        plan = await host.call(lambda hypervisor: plan_resize(_observe(hypervisor, uuid), wanted))
    except MachineNotFound:
        raise _no_longer_there(row) from None
    except InvalidSpec as error:
        raise bad_field(error) from None
    if not plan.changed:
        return _done(row, Action.RESIZE, changed=False)

    async def work(track: JobTrack) -> Mapping[str, Any]:
        if executor_of(Action.RESIZE, engine.settings) is Executor.PLAYBOOK:
            variables = {"uuid": uuid, **sizes}
            await run_playbook(engine.playbooks, engine.settings, Action.RESIZE, row.server, variables, track)
        else:
            await host.call(lambda hypervisor: perform(hypervisor, plan, track.report, track.fence))
        return {"changed": True}

    return await _verb(engine, row, _order(engine, Action.RESIZE, caller, sizes, plan), work)


async def delete(engine: Engine, caller: Caller, row: Machine, delete_disks: bool) -> Deleted:
    """Power the VM off, undefine it, delete the disks that are its own, and forget it. Raises `Protected`."""
    host = engine.host(row.server)
    uuid, name = row.uuid, row.name
    # asked before there is a job, so that a protected VM has none; and for whoever finds the VM gone after a crash
    plan = await host.call(lambda hypervisor: core_delete.plan_for(hypervisor, uuid, delete_disks))

    async def work(track: JobTrack) -> Mapping[str, Any]:
        # planned once more: until the job had the VM, anybody could start it
        disks = await host.call(
            lambda hypervisor: core_delete.delete(hypervisor, uuid, delete_disks, track.report, track.fence)
        )
        await Machine.filter(id=row.id).delete()
        return {"changed": True, "deleted_disks": disks}

    parameters = {"delete_disks": delete_disks, "disks": core_delete.deleted_disks(plan)}
    job = await open_job(_order(engine, Action.DELETE, caller, parameters, plan), row)
    await _set_status(row, MachineStatus.DELETING)
    try:
        done = await engine.crew.carry_out(job, work)
    finally:
        engine.watch.look_at(row.server_id, uuid)
    if not plan.changed:
        return Deleted(
            message=f"VM '{name}' deleted successfully: its host no longer had it", detail="Deleted disks: []"
        )
    return Deleted(message=f"VM '{name}' deleted successfully", detail=f"Deleted disks: {done['deleted_disks']}")


async def _switch(
    engine: Engine,
    caller: Caller,
    row: Machine,
    action: Action,
    title: str,
    call: power.Switch,
    supersedes: tuple[Action, ...] = (),
) -> OperationDone:
    host = engine.host(row.server)

    async def work(track: JobTrack) -> Mapping[str, Any]:
        track.step_started(title)
        changed = await host.call(partial(_fenced, track, call, row.uuid), urgent=action is Action.FORCE_STOP)
        track.step_finished(title, StepState.SUCCEEDED, changed=changed)
        return {"changed": changed}

    return await _verb(engine, row, _order(engine, action, caller, supersedes=supersedes), work)


async def _verb(
    engine: Engine, row: Machine, order: Order, work: Work, while_running: MachineStatus | None = None
) -> OperationDone:
    """Carry out a verb as a job, then write down what the VM has become, whether it went well or not."""
    job = await open_job(order, row)
    if job.supersedes_id is not None:
        engine.crew.cancel(job.supersedes_id)
    if while_running is not None:
        await _set_status(row, while_running)

    async def work_and_look(track: JobTrack) -> Mapping[str, Any]:
        try:
            return await work(track)
        except MachineNotFound:
            raise _no_longer_there(row) from None
        finally:
            await _look_again(engine, row)

    result = await engine.crew.carry_out(job, work_and_look)
    engine.watch.look_at(row.server_id, row.uuid)  # for what comes later: an address
    return _done(row, Action(order.action), changed=bool(result["changed"]))


async def _look_again(engine: Engine, row: Machine) -> None:
    host = engine.host(row.server)
    observed = await host.call(partial(_find, uuid=row.uuid))
    if observed is not None:
        await write_down(row, observed, row.server)


async def _set_status(row: Machine, status: MachineStatus) -> None:
    row.status = status.value
    await row.save(update_fields=["status", "updated_at"])


def _order(
    engine: Engine,
    action: Action,
    caller: Caller,
    parameters: Mapping[str, Any] | None = None,
    plan: Plan | None = None,
    supersedes: tuple[Action, ...] = (),
) -> Order:
    return Order(
        action=action.value,
        executor=executor_of(action, engine.settings),
        actor=caller,
        parameters=parameters or {},
        plan=None if plan is None else plan.as_data(),
        supersedes=supersedes,
    )


def _done(row: Machine, action: Action, changed: bool) -> OperationDone:
    verb = VERBS[action]
    return OperationDone(
        id=row.id,
        name=row.name,
        operation=verb.operation,
        message=verb.message if changed else verb.nothing_to_do,
        details=OperationDetails(name=row.name, status=verb.status, changed=changed),
    )


def _fenced(track: JobTrack, call: power.Switch, uuid: str, hypervisor: Hypervisor) -> bool:
    track.fence()
    return call(hypervisor, uuid)


def _observe(hypervisor: Hypervisor, uuid: str) -> ObservedMachine:
    return observe(hypervisor, hypervisor.domain(uuid))


def _find(hypervisor: Hypervisor, uuid: str) -> ObservedMachine | None:
    domain = hypervisor.find_domain(uuid)
    return None if domain is None else observe(hypervisor, domain)


def _no_longer_there(row: Machine) -> NotFound:
    return NotFound(f"VM '{row.name}' is no longer on host '{row.server.hostname}'", code="vm_not_found")
