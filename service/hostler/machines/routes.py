# SPDX-License-Identifier: GPL-3.0-or-later
"""``/api/vms``: the contract's VM routes."""

from __future__ import annotations

import uuid as uuids
from typing import Annotated

from fastapi import Depends, Path, Query
from tortoise.queryset import QuerySet

from ansible_collections.hostler.libvirt.plugins.module_utils.spec import Resources
from hostler.bodies import StorableText
from hostler.engine import EngineOf, require_hypervisor
from hostler.errors import Conflict, NotFound
from hostler.jobs.accepted import ACCEPTED
from hostler.machines import actions, creation
from hostler.machines.models import Machine, MachineStatus
from hostler.machines.schemas import CreateBody, Deleted, OperationDone, ResizeBody, Vm, VmList
from hostler.paging import Paging, fetch_page
from hostler.permission import Caller, Requires
from hostler.routing import Router

router = Router(prefix="/api/vms", tags=["vms"])

Reader = Annotated[Caller, Requires("read")]
Writer = Annotated[Caller, Requires("write")]


async def _machine(vm_id: Annotated[str, Path(description="The VM's id, or its UUID", max_length=64)]) -> Machine:
    """The row that the path names, with its server; raises `NotFound`, or `Conflict` for a UUID that two hosts have."""
    missing = NotFound(f"VM with ID {vm_id} not found", code="vm_not_found")
    if vm_id.isascii() and vm_id.isdigit():
        number = int(vm_id)
        row = await Machine.get_or_none(id=number).select_related("server") if number < 2**31 else None
        if row is None:
            raise missing
        return row
    try:
        wanted = str(uuids.UUID(vm_id))
    except ValueError:
        raise missing from None
    found = await Machine.filter(uuid=wanted).select_related("server").limit(2)
    if len(found) > 1:
        raise Conflict(f"Two hosts have a VM with UUID {wanted}: name it by its id", code="ambiguous_uuid")
    if not found:
        raise missing
    return found[0]


MachineOf = Annotated[Machine, Depends(_machine)]
Hypervisors = Annotated[None, Depends(require_hypervisor)]


@router.get("", summary="List VMs")
async def list_vms(
    caller: Reader,
    paging: Paging,
    status: Annotated[MachineStatus | None, Query(description="Only those in this status")] = None,
    server_id: Annotated[int | None, Query(description="Only those on this server", ge=1, le=2**31 - 1)] = None,
    os_type: Annotated[StorableText | None, Query(description="Only those with this OS type", max_length=64)] = None,
    search: Annotated[StorableText | None, Query(description="Text in the name, in any case", max_length=255)] = None,
) -> VmList:
    """VMs in the order of their ids; answered from the database, without asking a hypervisor."""
    query: QuerySet[Machine] = Machine.all()
    if status is not None:
        query = query.filter(status=status.value)
    if server_id is not None:
        query = query.filter(server_id=server_id)
    if os_type is not None:
        query = query.filter(os_type=os_type)
    if search:
        query = query.filter(name__icontains=search)
    rows, total = await fetch_page(query.select_related("server"), paging)
    return VmList(
        vms=[Vm.of(row) for row in rows],
        total=total,
        page=paging.page,
        per_page=paging.per_page,
        total_pages=paging.total_pages(total),
    )


@router.post("", status_code=201, summary="Create a VM", responses=ACCEPTED)
async def create_vm(caller: Writer, _ready: Hypervisors, engine: EngineOf, body: CreateBody) -> Vm:
    """Make a VM, stopped unless ``start`` says otherwise; all or nothing."""
    return Vm.of(await creation.create(engine, caller, body))


@router.get("/{vm_id}", summary="Show a VM")
async def show_vm(caller: Reader, row: MachineOf) -> Vm:
    """One VM."""
    return Vm.of(row)


@router.delete("/{vm_id}", summary="Delete a VM", responses=ACCEPTED)
async def delete_vm(
    caller: Writer,
    _ready: Hypervisors,
    engine: EngineOf,
    row: MachineOf,
    delete_disks: Annotated[bool, Query(description="Whether the disks that are its own are deleted, too")] = True,
) -> Deleted:
    """Power the VM off, undefine it, and delete the disks that are its own."""
    return await actions.delete(engine, caller, row, delete_disks)


@router.post("/{vm_id}/start", summary="Start a VM", responses=ACCEPTED)
async def start_vm(caller: Writer, _ready: Hypervisors, engine: EngineOf, row: MachineOf) -> OperationDone:
    """Power the VM on."""
    return await actions.start(engine, caller, row)


@router.post("/{vm_id}/stop", summary="Stop a VM gracefully", responses=ACCEPTED)
async def stop_vm(
    caller: Writer,
    _ready: Hypervisors,
    engine: EngineOf,
    row: MachineOf,
    timeout: Annotated[int | None, Query(description="Seconds the guest has to power off", ge=1, le=3600)] = None,
    force: Annotated[bool, Query(description="Whether its plug is pulled after that")] = False,
) -> OperationDone:
    """Ask the guest to power off, and wait for it."""
    return await actions.stop(engine, caller, row, timeout or engine.settings.stop_timeout_seconds, force)


@router.post("/{vm_id}/force-stop", summary="Power a VM off", responses=ACCEPTED)
async def force_stop_vm(caller: Writer, _ready: Hypervisors, engine: EngineOf, row: MachineOf) -> OperationDone:
    """Pull the VM's plug."""
    return await actions.force_stop(engine, caller, row)


@router.post("/{vm_id}/resize", summary="Resize a VM", responses=ACCEPTED)
async def resize_vm(
    caller: Writer, _ready: Hypervisors, engine: EngineOf, row: MachineOf, body: ResizeBody
) -> OperationDone:
    """Give a VM that is off other sizes; a disk never shrinks."""
    return await actions.resize(engine, caller, row, Resources(body.cpu_cores, body.memory_mb, body.disk_gb))
