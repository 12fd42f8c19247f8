# SPDX-License-Identifier: GPL-3.0-or-later
"""The bodies of an action on many VMs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from hostler.bodies import RequestBody, ResponseBody, StorableText, wrong
from hostler.dispatch import Action
from hostler.machines.models import MachineStatus
from hostler.machines.schemas import ResizeBody, UpdateBody
from hostler.machines.snapshot_name import LONGEST_PREFIX
from hostler.tags import Tag

MOST_VMS = 5000
"""Of one request."""

Verb = Literal["start", "stop", "force-stop", "restart", "reset", "resize", "update", "delete", "snapshot"]

_TIMED = ("stop", "restart")
_TAKES = {
    "timeout": _TIMED,
    "force": _TIMED,
    "delete_disks": ("delete",),
    "resize": ("resize",),
    "update": ("update",),
    "snapshot": ("snapshot",),
}


class ChangesBody(UpdateBody):
    """What is to be different about each of them; a name is for one alone."""

    name: None = Field(default=None, exclude=True)


class SnapshotBody(RequestBody):
    """How a snapshot is taken; where nothing is said, inside of the disks, with the memory of a VM that runs."""

    name: Annotated[
        str | None,
        Field(
            description="What its name begins with; the time in UTC follows",
            pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
            min_length=1,
            max_length=LONGEST_PREFIX,
        ),
    ] = None
    description: Annotated[str | None, Field(description="What it is for", max_length=1000)] = None
    memory: Annotated[bool | None, Field(description="Whether it has the guest's memory", strict=True)] = None
    external: Annotated[
        bool | None, Field(description="Whether it is beside the disks, in files of its own", strict=True)
    ] = None
    quiesce: Annotated[
        bool | None,
        Field(description="Whether the guest's agent freezes the file systems; external, without memory", strict=True),
    ] = None

    @model_validator(mode="after")
    def _can_be_quiesced(self) -> SnapshotBody:
        if self.quiesce and (not self.external or self.memory):
            says = "it goes with a snapshot that is external and has no memory only"
            raise wrong("SnapshotBody", "quiesce", says=says)
        return self


class FilterBody(RequestBody):
    """Those of which all is true that is given."""

    status: MachineStatus | None = Field(default=None, description="In this status")
    server_id: Annotated[int | None, Field(description="On this server", ge=1, le=2**31 - 1, strict=True)] = None
    os_type: StorableText | None = Field(default=None, description="With this OS type", min_length=1, max_length=64)
    search: StorableText | None = Field(
        default=None, description="With this text in the name", min_length=1, max_length=255
    )
    drifted: bool | None = Field(default=None, description="Which others have changed, or only the others", strict=True)
    tags: list[Tag] = Field(default=[], description="With all of these tags", max_length=16)

    @model_validator(mode="after")
    def _says_something(self) -> FilterBody:
        if not self.model_dump(exclude_defaults=True):
            raise ValueError("name at least one criterion: all VMs there are is nobody's wish by mistake")
        return self


class ManyBody(RequestBody):
    """An action on many VMs, named by their ids or by a filter, which is looked at once, when it is asked for."""

    action: Verb
    ids: (
        Annotated[
            list[Annotated[int, Field(ge=1, le=2**31 - 1, strict=True)]], Field(min_length=1, max_length=MOST_VMS)
        ]
        | None
    ) = None
    filter: FilterBody | None = None
    at_once: Annotated[int, Field(description="Of how many VMs at a time", ge=1, le=1000, strict=True)] = 10
    stop_after: Annotated[
        int | None,
        Field(
            description="After how many failures no more is begun; null goes on to the end",
            ge=1,
            le=MOST_VMS,
            strict=True,
        ),
    ] = None
    timeout: Annotated[
        int | None, Field(description="Of stop and restart: seconds that each guest has", ge=1, le=3600, strict=True)
    ] = None
    force: Annotated[bool | None, Field(description="Of stop and restart: as for a single VM", strict=True)] = None
    delete_disks: Annotated[
        bool | None, Field(description="Of delete: whether the disks that are its own are deleted, too", strict=True)
    ] = None
    resize: Annotated[ResizeBody | None, Field(description="Of resize: the sizes")] = None
    update: Annotated[ChangesBody | None, Field(description="Of update: what is to be different")] = None
    snapshot: Annotated[SnapshotBody | None, Field(description="Of snapshot: how it is taken")] = None

    @property
    def job_action(self) -> Action:
        """The action of each VM's job."""
        return Action("vm_" + self.action.replace("-", "_"))

    @model_validator(mode="after")
    def _fits_together(self) -> ManyBody:
        if (self.ids is None) == (self.filter is None):
            raise wrong("ManyBody", "ids", "filter", says="name the VMs either by 'ids' or by 'filter'")
        for field, verbs in _TAKES.items():
            if getattr(self, field) is not None and self.action not in verbs:
                raise wrong("ManyBody", field, says=f"'{field}' is nothing for {self.action}")
        if self.action in ("resize", "update") and getattr(self, self.action) is None:
            raise wrong("ManyBody", self.action, says=f"'{self.action}' has to say what is to be different")
        return self


class VmNamed(ResponseBody):
    """A VM that is among them."""

    id: int
    name: str
    status: str


class ManyDryRun(ResponseBody):
    """What would be asked for. Nothing was."""

    action: Verb
    total: int
    vms: list[VmNamed]
