# SPDX-License-Identifier: GPL-3.0-or-later
"""Changing a VM that is there, whoever made it: its sizes, its name, what it says of itself, its display and network.

Everything is planned against the host, and refused, before there is a job. A change of sizes is carried out as a resize
is, by its playbook where the dispatch table says so; the rest goes straight to libvirt.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from tortoise.exceptions import IntegrityError
from tortoise.transactions import in_transaction

from ansible_collections.hostler.libvirt.plugins.module_utils import errors as core
from ansible_collections.hostler.libvirt.plugins.module_utils.actions import change as core_change
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.observe import observe
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.perform import perform
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.revision import count_change
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.machine import ObservedMachine
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.change import Change, validate_change
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Plan
from hostler.dispatch import Action, executor_of
from hostler.drift.ways_out import wanted_again
from hostler.engine import Engine
from hostler.events.record import Kind, record_vms
from hostler.jobs.holders import require_free
from hostler.jobs.idempotency import Attempt, once
from hostler.jobs.ledger import open_job
from hostler.jobs.models import Executor, Job
from hostler.jobs.track import JobTrack
from hostler.machines.asked import Asked
from hostler.machines.dry_run import DryRun, dry_run_of
from hostler.machines.intake import forget_gone
from hostler.machines.misfit import bad_field, name_taken
from hostler.machines.models import Machine, MachineStatus
from hostler.machines.operation import Perform, carry_out, looking_again, no_longer_there, order_of, waits
from hostler.machines.playbooks import run_playbook
from hostler.machines.schemas import ConfigBody, OperationDone, ResizeBody, UpdateBody, Vm, VmConfig
from hostler.machines.wanted import as_data, change_of, placement_of
from hostler.machines.words import done

_SIZES = ("cpu_cores", "memory_mb", "disk_gb")


async def resize(engine: Engine, asked: Asked, row: Machine, body: ResizeBody) -> OperationDone | DryRun:
    """Give the VM other sizes; it has to be off, unless ``live``.

    Raises the core's `InvalidSpec` for what can be nowhere, `BadRequest` for what this VM can't have, `WrongState`,
    `PreconditionFailed`, `Conflict`, `HostUnreachable`.
    """
    outcome = await _change(engine, asked, row, change_of(body.model_dump()), Action.RESIZE)
    if isinstance(outcome, DryRun):
        return outcome
    return done(row, Action.RESIZE, outcome.changed, outcome.next_boot if body.live else None)


async def update(engine: Engine, asked: Asked, row: Machine, body: UpdateBody) -> Vm | DryRun:
    """Change what the body names, and answer the VM. Raises as `resize`, `Conflict` for a name that is taken."""
    outcome = await _change(engine, asked, row, change_of(body.model_dump()), Action.UPDATE)
    return outcome if isinstance(outcome, DryRun) else Vm.of(row)


async def reapply(engine: Engine, asked: Asked, row: Machine, live: bool) -> Vm | DryRun:
    """Make the VM what it was asked to be, where others have changed it since; answer the VM. Raises as `resize`.

    `Conflict` where something is different that a VM that is there can't be given: `hostler.drift` tells it.
    """
    wanted = wanted_again(row)
    if live:
        wanted["live"] = True
    outcome = await _change(engine, asked, row, change_of(wanted), Action.UPDATE)
    return outcome if isinstance(outcome, DryRun) else Vm.of(row)


async def configure(engine: Engine, asked: Asked, row: Machine, body: ConfigBody) -> VmConfig | DryRun:
    """Change what the body names, and answer the configuration. Raises as `resize`."""
    outcome = await _change(engine, asked, row, change_of(body.model_dump()), Action.UPDATE)
    return outcome if isinstance(outcome, DryRun) else VmConfig.of(row, next_boot=outcome.next_boot)


@dataclasses.dataclass(frozen=True)
class _Outcome:
    changed: bool
    next_boot: list[str]


async def _change(engine: Engine, asked: Asked, row: Machine, change: Change, action: Action) -> _Outcome | DryRun:
    validate_change(change, row.name)
    if asked.dry_run:
        plan, observed = await _planned_now(engine, asked, row, change)
        return dry_run_of(plan, observed)

    async def begin(attempt: Attempt | None) -> Mapping[str, Any]:
        asked.check(row)
        plan = None
        if not await waits(asked, row):
            plan, _ = await _planned_now(engine, asked, row, change)
            if not plan.changed and not asked.preference.respond_async:
                return {"changed": False, "next_boot": []}
        job = await _open(engine, asked, row, change, action, plan, attempt)
        return await carry_out(engine, asked, row, job, do_change)

    result = await once(asked.attempt(action, row.id, as_data(change)), engine.crew, asked.preference, begin)
    await row.refresh_from_db()
    return _Outcome(bool(result.get("changed", True)), list(result.get("next_boot", [])))


async def _planned_now(engine: Engine, asked: Asked, row: Machine, change: Change) -> tuple[Plan, ObservedMachine]:
    """What there is to do, before there is a job."""
    asked.check(row)
    await require_free(row)
    observed, plan = await _planned(engine, row, change)
    await _require_free_name(row, change)
    return plan, observed


async def _do_change(engine: Engine, row: Machine, job: Job, track: JobTrack) -> Mapping[str, Any]:
    left = change = change_of(job.parameters)
    with _told_in_full(row, change):
        if job.plan is None:  # it has waited, and what there is to do is known only now
            _, plan = await _planned(engine, row, change)
            await _take_name(row, change)
            await track.decide(_executor_of(engine, plan), plan.as_data())
        if job.executor != Executor.DIRECT.value:
            sizes = {name: getattr(change, name) for name in _SIZES}
            variables = {"uuid": row.uuid, **sizes, "live": change.live or None}
            await run_playbook(engine, Action.RESIZE, row.server, variables, track)
            left = dataclasses.replace(change, cpu_cores=None, memory_mb=None, disk_gb=None)
        await _carry_out_directly(engine, row, left, track)
    assert isinstance(job.plan, dict)  # noqa: S101 - the plan of a create alone may be anything else
    changed = bool(job.plan["changed"])
    if changed:
        await _follow(row, change)
    return {"changed": changed, "next_boot": job.plan["next_boot"]}


do_change: Perform = looking_again(_do_change)
"""How the job of a change is carried out, a resize's as well."""


def _executor_of(engine: Engine, plan: Plan) -> Executor:
    resized = bool(set(_SIZES) & set(plan.after))
    return executor_of(Action.RESIZE, engine.settings) if resized else Executor.DIRECT


async def carry_on(engine: Engine, row: Machine, job: Job, track: JobTrack) -> Mapping[str, Any]:
    """Do what is left of a job's change after its playbook, whose service was stopped meanwhile."""
    change = change_of(job.parameters)
    with _told_in_full(row, change):
        await _carry_out_directly(engine, row, change, track)
    await _follow(row, change)
    return {"changed": True, "next_boot": [], "recovered": True}


async def _planned(engine: Engine, row: Machine, change: Change) -> tuple[ObservedMachine, Plan]:
    placement = placement_of(row.server)

    def look(hypervisor: Hypervisor) -> tuple[ObservedMachine, Plan]:
        return (
            observe(hypervisor, hypervisor.domain(row.uuid)),
            core_change.plan_for(hypervisor, row.uuid, change, placement),
        )

    with _told_in_full(row, change):
        return await engine.host(row.server).call(look)


@contextlib.contextmanager
def _told_in_full(row: Machine, change: Change) -> Iterator[None]:
    """Have what the core refuses in the block be told with the host's name, and as this VM's affair: 400, not 422."""
    try:
        yield
    except core.MachineNotFound:
        raise no_longer_there(row) from None
    except core.NameTaken:
        raise name_taken(change.name or "", row.server) from None
    except (core.InvalidSpec, core.NotFound, core.NotEnoughSpace, core.Unsupported) as error:
        raise bad_field(error) from None


async def _carry_out_directly(engine: Engine, row: Machine, change: Change, track: JobTrack) -> None:
    placement = placement_of(row.server)

    def act(hypervisor: Hypervisor) -> None:
        # planned once more: until the job had the VM, anybody could change it
        plan = core_change.plan_for(hypervisor, row.uuid, change, placement)
        domain = hypervisor.domain(row.uuid)
        before = domain.record()
        perform(hypervisor, plan, track.report, track.fence)
        track.fence()
        count_change(hypervisor, row.uuid, before, plan)
        record = domain.record()
        if record is not None and record.id is None:  # it was somebody else's until now
            domain.set_record(dataclasses.replace(record, id=row.id))

    await engine.host(row.server).call(act)


async def _open(
    engine: Engine,
    asked: Asked,
    row: Machine,
    change: Change,
    action: Action,
    plan: Plan | None,
    attempt: Attempt | None,
) -> Job:
    """Open the job, and where it begins at once, take the new name with it."""
    if plan is None or asked.preference.respond_async:
        return await open_job(order_of(engine, action, asked, as_data(change), attempt=attempt), row, asked.check)
    executor = _executor_of(engine, plan)
    order = order_of(engine, action, asked, as_data(change), plan, executor=executor, attempt=attempt)
    try:
        async with in_transaction():
            if _is_renamed(row, change):
                await forget_gone(row.server_id, [str(change.name)])
            job = await open_job(order, row, asked.check)
            await _take_name(row, change)
            return job
    except IntegrityError:
        if not _is_renamed(row, change):
            raise
        raise name_taken(change.name or "", row.server) from None


def _is_renamed(row: Machine, change: Change) -> bool:
    return change.name is not None and change.name != row.name


async def _take_name(row: Machine, change: Change) -> None:
    """Write the new name down: the database keeps it from any other VM of the server. Raises `Conflict`."""
    if not _is_renamed(row, change):
        return
    await _require_free_name(row, change)
    name = str(change.name)
    try:
        async with in_transaction():
            await forget_gone(row.server_id, [name])
            await Machine.filter(id=row.id).update(name=name, updated_at=datetime.now(UTC))
            await record_vms(Kind.VM_CHANGED, [row.id])
    except IntegrityError:
        raise name_taken(name, row.server) from None
    row.name = name


async def _require_free_name(row: Machine, change: Change) -> None:
    """Raise what `_open` would, of a VM that is only being created."""
    if change.name is None:
        return
    namesakes = Machine.filter(server_id=row.server_id, name=change.name).exclude(id=row.id)
    if await namesakes.exclude(status=MachineStatus.ERROR.value).exists():
        raise name_taken(change.name, row.server)


async def _follow(row: Machine, change: Change) -> None:
    """Write down what was asked for; what has become of it is the observation's to write."""
    asked_for = {name: value for name, value in as_data(change).items() if name != "live"}
    async with in_transaction():
        # the watch may have seen the change, and counted it, or be about to
        current = await Machine.filter(id=row.id).select_for_update().get()
        spec = {**current.spec, **asked_for}
        # as in the spec of a create, what is empty or false is left out
        row.spec = {name: value for name, value in spec.items() if value not in ("", [], False)}
        await row.save(update_fields=["spec", "updated_at"])
