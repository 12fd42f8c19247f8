# SPDX-License-Identifier: GPL-3.0-or-later
"""Making a VM: checked against its host first, then written down, then made, all or nothing."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Mapping
from functools import partial
from typing import Any

import structlog

from ansible_collections.hostler.libvirt.plugins.module_utils import errors as core
from ansible_collections.hostler.libvirt.plugins.module_utils.actions import create as core_create
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.observe import observe
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.identity import Record
from ansible_collections.hostler.libvirt.plugins.module_utils.machine import ObservedMachine
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Plan
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.surroundings import Placement
from ansible_collections.hostler.libvirt.plugins.module_utils.spec import MachineSpec
from hostler.dispatch import Action
from hostler.engine import Engine
from hostler.errors import Unavailable
from hostler.hosts.accelerator import virt_type_of
from hostler.hosts.models import Server
from hostler.jobs.idempotency import Attempt, once
from hostler.jobs.models import Executor, Job
from hostler.jobs.track import JobTrack
from hostler.machines.asked import Asked
from hostler.machines.dry_run import DryRun, dry_run_of
from hostler.machines.forgetting import forget
from hostler.machines.misfit import bad_field, name_taken
from hostler.machines.models import Machine
from hostler.machines.new_machine import NewMachine, planned, record_of, require_free_name, written_down
from hostler.machines.observation import write_down
from hostler.machines.operation import carry_out
from hostler.machines.playbooks import run_playbook
from hostler.machines.schemas import CreateBody, CreatedVm
from hostler.machines.undoing import undo_create
from hostler.sealing import SealBroken

log = structlog.get_logger(__name__)


async def create(engine: Engine, asked: Asked, body: CreateBody) -> CreatedVm | DryRun:
    """Make the VM and answer it; for a key that was used before, as the request was answered that used it.

    Raises as `written_down`, and what its job failed with.
    """
    if asked.dry_run:
        new = await planned(engine, asked, body)
        await require_free_name(new)
        return dry_run_of(new.plan, None).model_copy(update={"placement": new.shown})
    attempt = asked.attempt_at(Action.CREATE.value, body.model_dump(mode="json", exclude_unset=True))

    async def begin(attempt: Attempt | None) -> Mapping[str, Any]:
        return await _carry_out(engine, asked, *await written_down(engine, asked, body, attempt))

    return CreatedVm.model_validate((await once(attempt, engine.crew, asked.preference, begin))["vm"])


async def _carry_out(engine: Engine, asked: Asked, new: NewMachine, row: Machine, job: Job) -> Mapping[str, Any]:
    async def perform(engine: Engine, row: Machine, _job: Job, track: JobTrack) -> Mapping[str, Any]:
        return await brought_about(engine, new.server, row, track, _make(engine, new, row, track))

    return await carry_out(engine, asked, row, job, perform)


async def do_create(engine: Engine, row: Machine, job: Job, track: JobTrack) -> Mapping[str, Any]:
    """How the job of a create that has waited is carried out."""
    try:
        try:
            body = CreateBody.model_validate_json(engine.sealer.open(job.sealed or ""))
        except SealBroken:
            raise Unavailable(
                "The job's parameters can't be opened: the sealing key is another one", code="sealed"
            ) from None
        spec, server = body.spec(), row.server
        virt_type = await virt_type_of(server, engine.host(server))
    except Exception:
        await _take_back(engine, row.server, row)
        raise
    placement = Placement(server.pool, server.image_pool, server.network, virt_type)
    record = record_of(spec, row.uuid, row.created_at, job.actor_name)
    new = NewMachine(spec, server, placement, record, body.start, Plan())
    return await brought_about(engine, server, row, track, _make(engine, new, row, track))


async def brought_about(
    engine: Engine, server: Server, row: Machine, track: JobTrack, making: Awaitable[ObservedMachine]
) -> Mapping[str, Any]:
    """What the job of a create answers, when ``making`` has made the VM; of one that fails nothing is left."""
    try:
        observed = await making
        await track.check_generation()  # another process may have taken this one for dead, and have undone it before
    except asyncio.CancelledError:
        if await track.is_canceled():  # at a shutdown it is the next start that looks into it
            await _take_back(engine, server, row)
        raise
    except Exception as error:
        await _take_back(engine, server, row)
        raise _failure(error, row.name, server) from error
    await write_down(row, observed, server)
    return {"vm": CreatedVm.made(row, track.job.placement).model_dump(mode="json")}


async def _make(engine: Engine, new: NewMachine, row: Machine, track: JobTrack) -> ObservedMachine:
    host = engine.host(new.server)
    if track.job.executor != Executor.DIRECT.value:
        variables = _variables(new.spec, new.placement, new.record, row.id, new.start)
        await run_playbook(engine, Action.CREATE, new.server, variables, track)
        return await host.call(partial(observe_made, uuid=new.record.uuid))
    numbered = dataclasses.replace(new.record, id=row.id)

    def make(hypervisor: Hypervisor) -> ObservedMachine:
        plan = core_create.plan_for(hypervisor, new.spec, new.placement, numbered, new.start)
        return core_create.create(hypervisor, plan, track.report, track.fence)

    return await host.call(make)


async def _take_back(engine: Engine, server: Server, row: Machine) -> None:
    """Remove what a failed create left, on the host and here; a site's step may have failed after the VM was made."""
    try:
        await engine.host(server).call(partial(undo_create, uuid=row.uuid, name=row.name))
    except core.HostlerError as error:
        # the row stays, and by it the watch knows what to try again
        log.warning("vm.not_taken_back", vm=row.id, name=row.name, reason=error.message)
    else:
        await forget(row.id)


def _failure(error: Exception, name: str, server: Server) -> Exception:
    """What the client is told: a cause of its own making keeps its status, anything else is a create that failed."""
    if isinstance(error, core.NameTaken):
        return name_taken(name, server)
    if isinstance(error, core.MachineNotFound):
        return core.OperationFailed("Failed to create VM: the playbook ended well and made none")
    if isinstance(error, core.InvalidSpec | core.NotFound | core.Unsupported):
        return bad_field(error)
    if isinstance(error, core.HostUnreachable | core.Superseded) or not isinstance(error, core.HostlerError):
        return error
    return type(error)(f"Failed to create VM: {error.message}", error.field)


def _variables(spec: MachineSpec, placement: Placement, record: Record, row_id: int, start: bool) -> dict[str, Any]:
    return {
        **spec_variables(spec),
        "uuid": record.uuid,
        "record_id": row_id,
        "owner": record.owner,
        "start": start,
        "pool": placement.pool,
        "image_pool": placement.image_pool,
        "network": placement.network,
        "virt_type": placement.virt_type,
    }


def spec_variables(spec: MachineSpec) -> dict[str, Any]:
    """The spec as the playbook's variables, secrets included; what is left out is left out."""
    variables: dict[str, Any] = _plain(dataclasses.asdict(spec))
    return variables


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items() if item is not None}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def observe_made(hypervisor: Hypervisor, uuid: str) -> ObservedMachine:
    """The VM that was made; raises `MachineNotFound`."""
    return observe(hypervisor, hypervisor.domain(uuid))
