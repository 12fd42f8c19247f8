# SPDX-License-Identifier: GPL-3.0-or-later
"""Making a VM: checked against its host first, then written down, then made, all or nothing."""

from __future__ import annotations

import dataclasses
import uuid as uuids
from collections.abc import Mapping
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
from hostler.errors import BadRequest, Conflict, FieldProblem
from hostler.hosts.accelerator import virt_type_of
from hostler.hosts.models import Server
from hostler.jobs.ledger import Order, open_job
from hostler.jobs.models import Executor, Job
from hostler.jobs.track import JobTrack
from hostler.machines.misfit import bad_field
from hostler.machines.models import Machine, MachineStatus
from hostler.machines.observation import write_down
from hostler.machines.playbooks import run_playbook
from hostler.machines.schemas import CreateBody
from hostler.machines.sync import forget_gone
from hostler.machines.undoing import undo_create
from hostler.permission import Caller

log = structlog.get_logger(__name__)


async def create(engine: Engine, caller: Caller, body: CreateBody) -> Machine:
    """Make the VM and answer its row, with its server.

    Raises the core's `InvalidSpec` for what can be nowhere, `BadRequest` for what can't be on that server,
    `Conflict` for a name that is taken, `HostUnreachable`.
    """
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
        owner=caller.name,
        os_type=spec.os_type,
        os_version=spec.os_version,
        description=spec.description,
        tags=spec.tags,
        protected=spec.protected,
    )
    plan = await _planned(engine, server, spec, placement, record, body.start)
    row, job = await _write_down_new(engine, caller, spec, server, record, plan, body)

    async def work(track: JobTrack) -> Mapping[str, Any]:
        try:
            observed = await _make(engine, server, spec, placement, record, row, body.start, track)
        except Exception as error:
            await _take_back(engine, server, row)
            raise _failure(error, spec, server) from error
        await write_down(row, observed, server)
        return {"vm": {"id": row.id, "uuid": row.uuid, "name": row.name}}

    try:
        await engine.crew.carry_out(job, work)
    finally:
        engine.watch.look_at(server.id, record.uuid)
    return await Machine.get(id=row.id).select_related("server")


async def _planned(
    engine: Engine, server: Server, spec: MachineSpec, placement: Placement, record: Record, start: bool
) -> Plan:
    """The plan against the real host: what can't be there is said before anything is written down or touched."""
    try:
        return await engine.host(server).call(
            lambda hypervisor: core_create.plan_for(hypervisor, spec, placement, record, start)
        )
    except core.NameTaken:
        raise _name_taken(spec, server) from None
    except (core.InvalidSpec, core.NotFound, core.NotEnoughSpace, core.Unsupported) as error:
        raise bad_field(error) from None


async def _write_down_new(
    engine: Engine, caller: Caller, spec: MachineSpec, server: Server, record: Record, plan: Plan, body: CreateBody
) -> tuple[Machine, Job]:
    order = Order(
        action=Action.CREATE.value,
        executor=executor_of(Action.CREATE, engine.settings),
        actor=caller,
        parameters={"server_id": server.id, "start": body.start, **spec_as_data(spec)},
        plan=plan.as_data(),
    )
    try:
        async with in_transaction():
            await forget_gone(server.id, spec.name)  # the host has just said that it has none of that name
            row = await Machine.create(
                uuid=record.uuid,
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
                firmware=spec.firmware,
                description=spec.description or "",
                tags=list(spec.tags),
                autostart=spec.autostart,
                protected=spec.protected,
                owner_id=caller.user_id,
                revision=1,
                spec=spec_as_data(spec),
            )
            return row, await open_job(order, row)
    except IntegrityError:
        raise _name_taken(spec, server) from None


async def _make(
    engine: Engine,
    server: Server,
    spec: MachineSpec,
    placement: Placement,
    record: Record,
    row: Machine,
    start: bool,
    track: JobTrack,
) -> ObservedMachine:
    host = engine.host(server)
    if executor_of(Action.CREATE, engine.settings) is Executor.PLAYBOOK:
        variables = _variables(spec, placement, record, row.id, start)
        await run_playbook(engine.playbooks, engine.settings, Action.CREATE, server, variables, track)
        return await host.call(partial(_observe, uuid=record.uuid))
    numbered = dataclasses.replace(record, id=row.id)

    def make(hypervisor: Hypervisor) -> ObservedMachine:
        plan = core_create.plan_for(hypervisor, spec, placement, numbered, start)
        return core_create.create(hypervisor, plan, track.report, track.fence)

    return await host.call(make)


async def _take_back(engine: Engine, server: Server, row: Machine) -> None:
    """Remove what a failed create left, on the host and here; a site's step may have failed after the VM was made."""
    try:
        await engine.host(server).call(partial(undo_create, uuid=row.uuid))
    except core.HostlerError as error:
        # the row stays, and by it the watch knows what to try again
        log.warning("vm.not_taken_back", vm=row.id, name=row.name, reason=error.message)
    else:
        await Machine.filter(id=row.id).delete()


def _failure(error: Exception, spec: MachineSpec, server: Server) -> Exception:
    """What the client is told: a cause of its own making keeps its status, anything else is a create that failed."""
    if isinstance(error, core.NameTaken):
        return _name_taken(spec, server)
    if isinstance(error, core.MachineNotFound):
        return core.OperationFailed("Failed to create VM: the playbook ended well and made none")
    if isinstance(error, core.InvalidSpec | core.NotFound | core.Unsupported):
        return bad_field(error)
    if isinstance(error, core.HostUnreachable | core.Superseded) or not isinstance(error, core.HostlerError):
        return error
    return type(error)(f"Failed to create VM: {error.message}", error.field)


def _variables(spec: MachineSpec, placement: Placement, record: Record, row_id: int, start: bool) -> dict[str, Any]:
    variables = {name: value for name, value in spec_variables(spec).items() if value is not None}
    return {
        **variables,
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
    """The spec as the playbook's variables, user data included."""
    cloud_init = spec.cloud_init
    return {
        **{name: value for name, value in spec.__dict__.items() if not isinstance(value, tuple)},
        "tags": list(spec.tags),
        "network_config": {name: value for name, value in spec.network_config.__dict__.items() if value is not None},
        "cloud_init": None
        if cloud_init is None
        else {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in cloud_init.__dict__.items()
            if value is not None
        },
    }


def _observe(hypervisor: Hypervisor, uuid: str) -> ObservedMachine:
    return observe(hypervisor, hypervisor.domain(uuid))


def _name_taken(spec: MachineSpec, server: Server) -> Conflict:
    message = f"A VM named '{spec.name}' already exists on host '{server.hostname}'"
    return Conflict(message, code="name_taken", errors=[FieldProblem("name", message)])
