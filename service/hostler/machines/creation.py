# SPDX-License-Identifier: GPL-3.0-or-later
"""Making a VM: checked against its host first, then written down, then made, all or nothing."""

from __future__ import annotations

import asyncio
import dataclasses
import uuid as uuids
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import structlog
from tortoise.exceptions import IntegrityError
from tortoise.transactions import in_transaction

from ansible_collections.hostler.libvirt.plugins.module_utils import errors as core
from ansible_collections.hostler.libvirt.plugins.module_utils.actions import create as core_create
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.observe import observe
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.identity import Record
from ansible_collections.hostler.libvirt.plugins.module_utils.machine import ObservedMachine
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.create import spec_as_data
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Plan
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.surroundings import Placement
from ansible_collections.hostler.libvirt.plugins.module_utils.spec import MachineSpec
from hostler.dispatch import Action, executor_of
from hostler.engine import Engine
from hostler.errors import BadRequest, FieldProblem, ServiceError
from hostler.events.record import Kind, record_vms
from hostler.hosts.accelerator import virt_type_of
from hostler.hosts.models import Server
from hostler.jobs.idempotency import Attempt, result_again
from hostler.jobs.ledger import Order, open_job
from hostler.jobs.models import Executor, Job
from hostler.jobs.track import JobTrack
from hostler.machines.asked import Asked
from hostler.machines.dry_run import DryRun, dry_run_of
from hostler.machines.forgetting import forget
from hostler.machines.intake import forget_gone
from hostler.machines.misfit import bad_field, name_taken
from hostler.machines.models import Machine, MachineStatus
from hostler.machines.observation import write_down
from hostler.machines.playbooks import run_playbook
from hostler.machines.schemas import CreateBody, Vm
from hostler.machines.undoing import undo_create

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class _NewMachine:
    """A VM that was looked at and found possible."""

    spec: MachineSpec
    server: Server
    placement: Placement
    record: Record
    start: bool
    plan: Plan


async def create(engine: Engine, asked: Asked, body: CreateBody, key: str | None = None) -> Vm | DryRun:
    """Make the VM and answer it; for a ``key`` that was used before, as the request was answered that used it.

    Raises the core's `InvalidSpec` for what can be nowhere, `BadRequest` for what can't be on that server,
    `Conflict` for a name that is taken, `HostUnreachable`.
    """
    if asked.dry_run:
        new = await _planned(engine, asked, body)
        await _require_free_name(new)
        return dry_run_of(new.plan, None)
    if key is None:
        new = await _planned(engine, asked, body)
        return await _carry_out(engine, asked, new, *await _write_down_new(engine, asked, new))
    attempt = Attempt.of(asked.caller, Action.CREATE.value, key, body.model_dump(mode="json", exclude_unset=True))
    first = await attempt.first()
    if first is None:
        try:
            new = await _planned(engine, asked, body)
            row, job = await _write_down_new(engine, asked, new, attempt)
        except (core.HostlerError, ServiceError):
            first = await attempt.first()  # the same request, which was quicker, may be what is in the way
            if first is None:
                raise
        else:
            return await _carry_out(engine, asked, new, row, job)
    return _answer(await result_again(first, engine.crew, asked.preference))


async def _planned(engine: Engine, asked: Asked, body: CreateBody) -> _NewMachine:
    """The plan against the real host: what can't be there is said before anything is written down or touched."""
    spec = body.spec()
    server = await Server.get_or_none(id=body.server_id)
    if server is None:
        message = f"Server with ID {body.server_id} not found"
        raise BadRequest(message, code="server_not_found", errors=[FieldProblem("server_id", message)])
    host = engine.host(server)
    placement = Placement(server.pool, server.image_pool, server.network, await virt_type_of(server, host))
    record = Record(
        uuid=str(uuids.uuid4()),
        created=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        owner=asked.caller.name,
        os_type=spec.os_type,
        os_version=spec.os_version,
        description=spec.description,
        tags=spec.tags,
        protected=spec.protected,
    )
    try:
        plan = await host.call(lambda hypervisor: core_create.plan_for(hypervisor, spec, placement, record, body.start))
    except core.NameTaken:
        raise name_taken(spec.name, server) from None
    except (core.InvalidSpec, core.NotFound, core.NotEnoughSpace, core.Unsupported) as error:
        raise bad_field(error) from None
    return _NewMachine(spec, server, placement, record, body.start, plan)


async def _require_free_name(new: _NewMachine) -> None:
    """Raise what `_write_down_new` would, of a VM that is only being created."""
    namesakes = Machine.filter(server_id=new.server.id, name=new.spec.name)
    if await namesakes.exclude(status=MachineStatus.ERROR.value).exists():
        raise name_taken(new.spec.name, new.server)


async def _write_down_new(
    engine: Engine, asked: Asked, new: _NewMachine, attempt: Attempt | None = None
) -> tuple[Machine, Job]:
    spec, server = new.spec, new.server
    order = Order(
        action=Action.CREATE.value,
        executor=executor_of(Action.CREATE, engine.settings),
        actor=asked.caller,
        parameters={"server_id": server.id, "start": new.start, **spec_as_data(spec)},
        plan=new.plan.as_data(),
        idempotency_key=None if attempt is None else attempt.key,
        request_hash=None if attempt is None else attempt.request_hash,
    )
    try:
        async with in_transaction():
            await forget_gone(server.id, [spec.name])  # the host has just said that it has none of that name
            row = await Machine.create(
                uuid=new.record.uuid,
                server=server,
                name=spec.name,
                status=MachineStatus.CREATING.value,
                cpu_cores=spec.cpu_cores,
                memory_mb=spec.memory_mb,
                disk_gb=spec.disk_gb,
                os_type=spec.os_type,
                os_version=spec.os_version,
                network_type=spec.network_config.type,
                bridge_name=spec.network_config.bridge_name,
                network_name=spec.network_config.network_name,
                firmware=spec.firmware,
                description=spec.description or "",
                tags=list(spec.tags),
                autostart=spec.autostart,
                protected=spec.protected,
                owner_id=asked.caller.user_id,
                revision=1,
                spec=spec_as_data(spec),
            )
            await record_vms(Kind.VM_CREATED, [row.id])
            return row, await open_job(order, row)
    except IntegrityError:
        raise name_taken(spec.name, server) from None


async def _carry_out(engine: Engine, asked: Asked, new: _NewMachine, row: Machine, job: Job) -> Vm:
    async def work(track: JobTrack) -> Mapping[str, Any]:
        try:
            observed = await _make(engine, new, row, track)
        except asyncio.CancelledError:
            if await track.is_canceled():  # at a shutdown it is the next start that looks into it
                await _take_back(engine, new.server, row)
            raise
        except Exception as error:
            await _take_back(engine, new.server, row)
            raise _failure(error, new.spec, new.server) from error
        await write_down(row, observed, new.server)
        return {"vm": Vm.of(row).model_dump(mode="json")}

    return _answer(
        await engine.crew.carry_out(
            job,
            work,
            asked.preference,
            after=lambda: engine.watch.look_at(new.server.id, row.uuid),
            # a thread can't be interrupted, and what it still makes must be there when it is taken back
            leaves_at_once=job.executor == Executor.PLAYBOOK.value,
        )
    )


def _answer(result: Mapping[str, Any]) -> Vm:
    return Vm.model_validate(result["vm"])


async def _make(engine: Engine, new: _NewMachine, row: Machine, track: JobTrack) -> ObservedMachine:
    host = engine.host(new.server)
    if executor_of(Action.CREATE, engine.settings) is Executor.PLAYBOOK:
        variables = _variables(new.spec, new.placement, new.record, row.id, new.start)
        await run_playbook(engine.playbooks, engine.settings, Action.CREATE, new.server, variables, track)
        return await host.call(partial(_observe, uuid=new.record.uuid))
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


def _failure(error: Exception, spec: MachineSpec, server: Server) -> Exception:
    """What the client is told: a cause of its own making keeps its status, anything else is a create that failed."""
    if isinstance(error, core.NameTaken):
        return name_taken(spec.name, server)
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


def _observe(hypervisor: Hypervisor, uuid: str) -> ObservedMachine:
    return observe(hypervisor, hypervisor.domain(uuid))
