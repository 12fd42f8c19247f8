# SPDX-License-Identifier: GPL-3.0-or-later
"""``/api/vms``: the contract's VM routes."""

from __future__ import annotations

import uuid as uuids
from collections.abc import Sequence
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Path, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import Field

from hostler.bodies import StorableText
from hostler.database.queries import values_of
from hostler.engine import EngineOf, require_hypervisor
from hostler.errors import Conflict, NotFound
from hostler.jobs.accepted import ACCEPTED
from hostler.machines import changing, configuration, creation, listing, power, removal
from hostler.machines.asked import AskedOfVersion, AskedUnderKey
from hostler.machines.dry_run import DryRun
from hostler.machines.listing import Wanted
from hostler.machines.models import Machine, MachineStatus
from hostler.machines.schemas import (
    ConfigBody,
    CreateBody,
    CreatedVm,
    Deleted,
    OperationDone,
    ResizeBody,
    UpdateBody,
    Vm,
    VmConfig,
    VmList,
    VmOrder,
)
from hostler.machines.shown import as_json, find
from hostler.machines.version import tag_of
from hostler.paging import PageRequest
from hostler.permission import CALLER, Caller, Permission, Requires, decide
from hostler.routing import Router
from hostler.tags import Tag

router = Router(prefix="/api/vms", tags=["vms"])

T = TypeVar("T")

Reader = Annotated[Caller, Requires("read")]
Writer = Annotated[Caller, Requires("write")]


VmId = Annotated[str, Path(description="The VM's id, or its UUID", max_length=64)]


def _named(vm_id: str) -> tuple[str, int | str]:
    """The column that a path names a VM by, and its value there; raises `NotFound` for what can't be either."""
    if vm_id.isascii() and vm_id.isdigit():
        number = int(vm_id)
        if number < 2**31:
            return "id", number
    else:
        try:
            return "uuid", str(uuids.UUID(vm_id))
        except ValueError:
            pass
    raise _missing(vm_id)


def _missing(vm_id: str) -> NotFound:
    return NotFound(f"VM with ID {vm_id} not found", code="vm_not_found")


def _only(vm_id: str, found: Sequence[T]) -> T:
    """The one that was found; raises `NotFound`, or `Conflict` for a UUID that two hosts have."""
    if len(found) > 1:
        raise Conflict(f"Two hosts have a VM with UUID {uuids.UUID(vm_id)}: name it by its id", code="ambiguous_uuid")
    if not found:
        raise _missing(vm_id)
    return found[0]


async def _with_xml(
    request: Request,
    xml: Annotated[
        bool, Query(description="Whether to ask the host for the domain's XML, too; for those who may write")
    ] = False,
) -> bool:
    """Whether the XML is asked for; raises `Forbidden` for whoever may only read, before the VM is looked for."""
    if xml:
        decide(request.scope[CALLER], Permission.WRITE)
    return xml


async def _machine(vm_id: VmId) -> Machine:
    """The row that the path names, with its server."""
    key, value = _named(vm_id)
    return _only(vm_id, await Machine.filter(**{key: value}).select_related("server").limit(2))


def _json(body: str, **headers: str) -> Response:
    return Response(body, media_type="application/json", headers=headers)


MachineOf = Annotated[Machine, Depends(_machine)]
Hypervisors = Annotated[None, Depends(require_hypervisor)]

TAGGED: dict[int | str, dict[str, Any]] = {
    200: {"headers": {"ETag": {"description": "The VM's version, for If-Match", "schema": {"type": "string"}}}}
}


class ListQuery(PageRequest):
    """What a list of VMs is asked for with; one model, because FastAPI takes longer over each parameter by itself."""

    status: MachineStatus | None = Field(default=None, description="Only those in this status")
    server_id: int | None = Field(default=None, description="Only those on this server", ge=1, le=2**31 - 1)
    os_type: StorableText | None = Field(default=None, description="Only those with this OS type", max_length=64)
    search: StorableText | None = Field(default=None, description="Text in the name, in any case", max_length=255)
    drifted: bool | None = Field(default=None, description="Only those that others have changed, or only the others")
    tag: list[Tag] = Field(
        default=[], description="Only those with this tag; given several times, with all of them", max_length=16
    )
    after_id: int | None = Field(default=None, description="Only those with a larger id", ge=0, le=2**31 - 1)
    sort: VmOrder = Field(default="id", description="By which field, with - before it for the other way round")

    @property
    def wanted(self) -> Wanted:
        """Which VMs."""
        status = None if self.status is None else self.status.value
        tags = tuple(dict.fromkeys(self.tag))
        return Wanted(status, self.server_id, self.os_type, self.search, self.drifted, tags, self.after_id)


@router.get("", summary="List VMs", response_model=VmList)
async def list_vms(caller: Reader, query: Annotated[ListQuery, Query()]) -> Response:
    """VMs, answered from the database, without asking a hypervisor."""
    rows, total = await listing.fetch(query.wanted, query, query.sort)
    return _json(
        f'{{"vms":[{",".join([as_json(values_of(row)) for row in rows])}],"total":{total},"page":{query.page},'
        f'"per_page":{query.per_page},"total_pages":{query.total_pages(total)}}}'
    )


@router.post(
    "",
    status_code=201,
    response_model=CreatedVm,
    summary="Create a VM",
    responses={**ACCEPTED, 200: {"model": DryRun, "description": "With `dry_run=true`: what would be done"}},
)
async def create_vm(
    caller: Writer,
    _ready: Hypervisors,
    engine: EngineOf,
    asked: AskedUnderKey,
    body: CreateBody,
) -> CreatedVm | JSONResponse:
    """Make a VM, stopped unless ``start`` says otherwise; all or nothing. Without ``server_id`` a server is chosen."""
    outcome = await creation.create(engine, asked, body)
    return outcome if isinstance(outcome, CreatedVm) else JSONResponse(outcome.model_dump(mode="json"))


@router.get("/{vm_id}", summary="Show a VM", response_model=Vm, responses=TAGGED)
async def show_vm(caller: Reader, vm_id: VmId) -> Response:
    """One VM."""
    key, value = _named(vm_id)
    body, tag = _only(vm_id, await find(key, value))
    return _json(body, ETag=tag)


@router.put("/{vm_id}", summary="Change a VM", responses={**ACCEPTED, **TAGGED})
async def update_vm(
    caller: Writer,
    _ready: Hypervisors,
    engine: EngineOf,
    asked: AskedOfVersion,
    row: MachineOf,
    body: UpdateBody,
    response: Response,
) -> Vm | DryRun:
    """Change what the body names; a change of sizes is a resize, under the same rule."""
    answer = await changing.update(engine, asked, row, body)
    if isinstance(answer, Vm):
        response.headers["ETag"] = tag_of(row)
    return answer


@router.delete("/{vm_id}", summary="Delete a VM", responses=ACCEPTED)
async def delete_vm(
    caller: Writer,
    _ready: Hypervisors,
    engine: EngineOf,
    asked: AskedOfVersion,
    vm_id: VmId,
    delete_disks: Annotated[bool, Query(description="Whether the disks that are its own are deleted, too")] = True,
) -> Deleted | DryRun:
    """Power the VM off, undefine it, and delete the disks that are its own."""
    try:
        row = await _machine(vm_id)
    except NotFound:
        deleted = await removal.deleted_before(engine, asked, _named(vm_id)[1], delete_disks)
        if deleted is None:
            raise
        return deleted
    return await removal.delete(engine, asked, row, delete_disks)


@router.get("/{vm_id}/config", summary="Show a VM's configuration", responses=TAGGED)
async def show_config(
    caller: Reader,
    with_xml: Annotated[bool, Depends(_with_xml)],
    engine: EngineOf,
    row: MachineOf,
    response: Response,
) -> VmConfig:
    """The configuration of the VM's next boot."""
    shown = await configuration.show(engine, row, with_xml)
    response.headers["ETag"] = tag_of(row)
    return shown


@router.put("/{vm_id}/config", summary="Change a VM's configuration", responses={**ACCEPTED, **TAGGED})
async def update_config(
    caller: Writer,
    _ready: Hypervisors,
    engine: EngineOf,
    asked: AskedOfVersion,
    row: MachineOf,
    body: ConfigBody,
    response: Response,
) -> VmConfig | DryRun:
    """Change what the body names; of a running VM the display and the network may change at its next boot."""
    answer = await changing.configure(engine, asked, row, body)
    if isinstance(answer, VmConfig):
        response.headers["ETag"] = tag_of(row)
    return answer


@router.post("/{vm_id}/start", summary="Start a VM", responses=ACCEPTED)
async def start_vm(
    caller: Writer, _ready: Hypervisors, engine: EngineOf, asked: AskedUnderKey, row: MachineOf
) -> OperationDone | DryRun:
    """Power the VM on."""
    return await power.start(engine, asked, row)


@router.post("/{vm_id}/stop", summary="Stop a VM gracefully", responses=ACCEPTED)
async def stop_vm(
    caller: Writer,
    _ready: Hypervisors,
    engine: EngineOf,
    asked: AskedUnderKey,
    row: MachineOf,
    timeout: Annotated[int | None, Query(description="Seconds the guest has to power off", ge=1, le=3600)] = None,
    force: Annotated[bool, Query(description="Whether its plug is pulled after that")] = False,
) -> OperationDone | DryRun:
    """Ask the guest to power off, and wait for it."""
    return await power.stop(engine, asked, row, timeout or engine.settings.stop_timeout_seconds, force)


@router.post("/{vm_id}/force-stop", summary="Power a VM off", responses=ACCEPTED)
async def force_stop_vm(
    caller: Writer, _ready: Hypervisors, engine: EngineOf, asked: AskedUnderKey, row: MachineOf
) -> OperationDone | DryRun:
    """Pull the VM's plug."""
    return await power.force_stop(engine, asked, row)


@router.post("/{vm_id}/restart", summary="Restart a VM", responses=ACCEPTED)
async def restart_vm(
    caller: Writer,
    _ready: Hypervisors,
    engine: EngineOf,
    asked: AskedUnderKey,
    row: MachineOf,
    timeout: Annotated[int | None, Query(description="Seconds the guest has to reboot", ge=1, le=3600)] = None,
    force: Annotated[bool, Query(description="Whether it is turned off and on again instead")] = False,
) -> OperationDone | DryRun:
    """Ask the guest to reboot, and wait for it; or turn the VM off and on again."""
    return await power.restart(engine, asked, row, timeout or engine.settings.stop_timeout_seconds, force)


@router.post("/{vm_id}/reset", summary="Reset a VM", responses=ACCEPTED)
async def reset_vm(
    caller: Writer, _ready: Hypervisors, engine: EngineOf, asked: AskedUnderKey, row: MachineOf
) -> OperationDone | DryRun:
    """Press the VM's reset button."""
    return await power.reset(engine, asked, row)


@router.post("/{vm_id}/resize", summary="Resize a VM", responses=ACCEPTED)
async def resize_vm(
    caller: Writer, _ready: Hypervisors, engine: EngineOf, asked: AskedUnderKey, row: MachineOf, body: ResizeBody
) -> OperationDone | DryRun:
    """Give a VM other sizes: one that is off, or with ``live`` one that runs. A disk never shrinks."""
    return await changing.resize(engine, asked, row, body)
