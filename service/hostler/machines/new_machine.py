# SPDX-License-Identifier: GPL-3.0-or-later
"""What comes before a VM is made: it is planned against its server, which may have to be chosen, and written down."""

from __future__ import annotations

import dataclasses
import uuid as uuids
from dataclasses import dataclass
from datetime import UTC, datetime

from tortoise.exceptions import IntegrityError
from tortoise.transactions import in_transaction

from ansible_collections.hostler.libvirt.plugins.module_utils import errors as core
from ansible_collections.hostler.libvirt.plugins.module_utils.actions import create as core_create
from ansible_collections.hostler.libvirt.plugins.module_utils.identity import Record
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.create import spec_as_data
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Plan
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.surroundings import Placement
from ansible_collections.hostler.libvirt.plugins.module_utils.spec import MachineSpec
from hostler.dispatch import Action, executor_of
from hostler.engine import Engine
from hostler.errors import BadRequest, FieldProblem, Unavailable
from hostler.events.record import Kind, record_vms
from hostler.hosts.accelerator import virt_type_of
from hostler.hosts.models import Server
from hostler.jobs.idempotency import Attempt
from hostler.jobs.ledger import Order, open_job
from hostler.jobs.models import Job
from hostler.machines.asked import Asked
from hostler.machines.intake import forget_gone
from hostler.machines.misfit import bad_field, name_taken, require_not_draining
from hostler.machines.models import Machine, MachineStatus
from hostler.machines.schemas import CreateBody
from hostler.placement.candidates import hold_servers
from hostler.placement.choice import Choice
from hostler.placement.schemas import PlacementBody, PlacementShown
from hostler.placement.search import Search

_MOST_TRIES = 3


@dataclass(frozen=True)
class NewMachine:
    """A VM that was looked at and found possible; with the search for its server, if its client named none."""

    spec: MachineSpec
    server: Server
    placement: Placement
    record: Record
    start: bool
    plan: Plan
    search: Search | None = None
    choice: Choice | None = None

    @property
    def shown(self) -> PlacementShown | None:
        """How its server was chosen."""
        return None if self.choice is None else PlacementShown.of(self.choice)


class _Elsewhere(Exception):
    """Others were quicker, and by now another server is the one to choose."""


async def planned(engine: Engine, asked: Asked, body: CreateBody) -> NewMachine:
    """The plan against the real host: what can't be there is said before anything is written down or touched."""
    spec = body.spec()
    if body.server_id is not None:
        server = await _server(body.server_id)
        require_not_draining(server)
        return await _planned_on(engine, asked, spec, server, body.start)
    search = Search(spec, body.placement or PlacementBody.model_validate({}))
    while True:
        choice = await search.choose()
        assert choice.chosen is not None  # noqa: S101 - it raises where none is
        try:
            new = await _planned_on(engine, asked, spec, await _server(choice.chosen.id), body.start)
        except (BadRequest, Unavailable, core.HostUnreachable) as error:
            await search.rule_out(choice.chosen.id, f"does not take it ({error.message})")
        else:
            return dataclasses.replace(new, search=search, choice=choice)


async def _server(server_id: int) -> Server:
    server = await Server.get_or_none(id=server_id)
    if server is None:
        message = f"Server with ID {server_id} not found"
        raise BadRequest(message, code="server_not_found", errors=[FieldProblem("server_id", message)])
    return server


async def _planned_on(engine: Engine, asked: Asked, spec: MachineSpec, server: Server, start: bool) -> NewMachine:
    host = engine.host(server)
    placement = Placement(server.pool, server.image_pool, server.network, await virt_type_of(server, host))
    record = record_of(spec, str(uuids.uuid4()), datetime.now(UTC), asked.caller.name)
    try:
        plan = await host.call(lambda hypervisor: core_create.plan_for(hypervisor, spec, placement, record, start))
    except core.NameTaken:
        raise name_taken(spec.name, server) from None
    except (core.InvalidSpec, core.NotFound, core.NotEnoughSpace, core.Unsupported) as error:
        raise bad_field(error) from None
    return NewMachine(spec, server, placement, record, start, plan)


def record_of(spec: MachineSpec, uuid: str, created: datetime, owner: str) -> Record:
    """What the domain says of itself, but for the id that it has only when it is written down."""
    return Record(
        uuid=uuid,
        created=created.strftime("%Y-%m-%dT%H:%M:%SZ"),
        owner=owner,
        os_type=spec.os_type,
        os_version=spec.os_version,
        description=spec.description,
        tags=spec.tags,
        protected=spec.protected,
    )


async def require_free_name(new: NewMachine) -> None:
    """Raise `Conflict` for a name that is taken: on its server, or on any that might have been chosen.

    Who names no server and asks twice does not want the VM twice.
    """
    ids = [new.server.id] if new.search is None else await Server.all().values_list("id", flat=True)
    namesakes = Machine.filter(server_id__in=ids, name=new.spec.name).exclude(status=MachineStatus.ERROR.value)
    namesake = await namesakes.select_related("server").first()
    if namesake is not None:
        raise name_taken(new.spec.name, namesake.server)


async def written_down(
    engine: Engine, asked: Asked, body: CreateBody, attempt: Attempt | None = None
) -> tuple[NewMachine, Machine, Job]:
    """Plan the VM and write it and its job down; where others take its server's room meanwhile, on another one.

    Raises the core's `InvalidSpec` for what can be nowhere, `BadRequest` for what can't be on that server, `Conflict`
    for a name that is taken, a server that is draining, or where no server fits, `HostUnreachable`.
    """
    tries = _MOST_TRIES
    while True:
        new = await planned(engine, asked, body)
        tries -= 1
        try:
            return await _write_down_new(engine, asked, new, body, attempt, is_last=tries <= 0)
        except _Elsewhere:
            continue


async def _settled(new: NewMachine, is_last: bool) -> NewMachine:
    """The VM with the choice of its server made again, now that nobody else places any; raises `_Elsewhere`.

    Where others have always been quicker, a server that fits will do.
    """
    if new.search is None:
        server = await Server.select_for_update().get_or_none(id=new.server.id)
        require_not_draining(server or await _server(new.server.id))
        return new
    await hold_servers()
    await require_free_name(new)
    choice = await new.search.choose(new.server.id if is_last else None)
    if choice.chosen is None or choice.chosen.id != new.server.id:
        raise _Elsewhere
    return dataclasses.replace(new, choice=choice)


async def _write_down_new(
    engine: Engine, asked: Asked, new: NewMachine, body: CreateBody, attempt: Attempt | None, is_last: bool
) -> tuple[NewMachine, Machine, Job]:
    spec, server = new.spec, new.server
    wanted = {} if body.placement is None else {"placement": body.placement.model_dump(mode="json", exclude_unset=True)}
    try:
        async with in_transaction():
            new = await _settled(new, is_last)
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
            order = Order(
                action=Action.CREATE.value,
                executor=executor_of(Action.CREATE, engine.settings),
                actor=asked.caller,
                parameters={"server_id": server.id, "start": new.start, **wanted, **spec_as_data(spec)},
                plan=new.plan.as_data(),
                placement=None if new.shown is None else new.shown.model_dump(mode="json"),
                idempotency_key=None if attempt is None else attempt.key,
                request_hash=None if attempt is None else attempt.request_hash,
                may_wait=asked.preference.respond_async,
                # its secrets are in no row that anybody is shown
                sealed=engine.sealer.seal(body.model_dump_json(exclude_unset=True)),
            )
            return new, row, await open_job(order, row)
    except IntegrityError:
        raise name_taken(spec.name, server) from None
