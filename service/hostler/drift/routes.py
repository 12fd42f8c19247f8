# SPDX-License-Identifier: GPL-3.0-or-later
"""``/api/vms/{id}/drift``: how a VM differs from what it was asked to be, and the two ways out."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query

from hostler.bodies import ResponseBody
from hostler.drift.ways_out import adopt
from hostler.engine import EngineOf
from hostler.entity_tag import IfMatchOf
from hostler.jobs.accepted import ACCEPTED
from hostler.machines import changing
from hostler.machines.asked import Asked, AskedUnderKey
from hostler.machines.dry_run import DryRun
from hostler.machines.models import Machine
from hostler.machines.routes import Hypervisors, MachineOf, Reader, Writer
from hostler.machines.schemas import Vm
from hostler.routing import Router

router = Router(prefix="/api/vms", tags=["vms"])


class Difference(ResponseBody):
    """A field in which a VM differs from what it was asked to be."""

    field: str
    asked: Any
    actual: Any


class Drift(ResponseBody):
    """How a VM differs from what it was asked to be; one that others made was asked nothing, and never drifts."""

    id: int
    name: str
    managed: bool
    drifted: bool
    differences: list[Difference]

    @classmethod
    def of(cls, row: Machine) -> Drift:
        """That of a row."""
        found = [Difference.model_validate(one) for one in row.drift or []]
        return cls(id=row.id, name=row.name, managed=not row.foreign, drifted=bool(found), differences=found)


@router.get("/{vm_id}/drift", summary="Show how a VM differs from what it was asked to be")
async def show_drift(caller: Reader, row: MachineOf) -> Drift:
    """What others have changed about the VM; answered from the database."""
    return Drift.of(row)


@router.post("/{vm_id}/drift/adopt", summary="Take what a VM is for what it should be")
async def adopt_drift(caller: Writer, if_match: IfMatchOf, row: MachineOf) -> Drift:
    """From now on the VM is as it was asked to be. Nothing happens on its host."""
    await adopt(row, Asked(caller, if_match=if_match).check)
    return Drift.of(row)


@router.post(
    "/{vm_id}/drift/reapply", summary="Make a VM what it was asked to be", responses={**ACCEPTED}, response_model=None
)
async def reapply_drift(
    caller: Writer,
    _ready: Hypervisors,
    engine: EngineOf,
    asked: AskedUnderKey,
    row: MachineOf,
    live: Annotated[
        bool, Query(description="Whether one that runs is changed as it runs, as far as that goes")
    ] = False,
) -> Vm | DryRun:
    """Undo what others have changed, under the rules of any other change of the VM."""
    return await changing.reapply(engine, asked, row, live)
