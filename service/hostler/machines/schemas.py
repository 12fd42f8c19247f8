# SPDX-License-Identifier: GPL-3.0-or-later
"""The bodies of the VM routes: the contract's shapes, with the core's spec as the source of every field's meaning."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import Field

from ansible_collections.hostler.libvirt.plugins.module_utils import spec as core
from hostler.bodies import RequestBody, ResponseBody, Timestamp
from hostler.machines.models import Machine, MachineStatus


def _of(spec_class: type, name: str, **more: Any) -> Any:
    """The core's facts of a field as pydantic's."""
    facts = core.facts_of(spec_class, name)
    text = re.sub(r"C\((.*?)\)", r"\1", facts.doc)
    known: dict[str, Any] = {
        "description": f"{text} Unit: {facts.unit}." if facts.unit else text,
        "ge": facts.minimum,
        "gt": facts.exclusive_minimum,
        "le": facts.maximum,
        "max_length": facts.max_length,
    }
    if facts.pattern is not None:
        # shown, and checked by the core, which says in words what it asks for
        known["json_schema_extra"] = {"pattern": facts.pattern}
    return Field(**known, **more)


def _spec(name: str, **more: Any) -> Any:
    return _of(core.MachineSpec, name, **more)


CpuCores = Annotated[int, _spec("cpu_cores", strict=True)]
MemoryMb = Annotated[int, _spec("memory_mb", strict=True)]
DiskGb = Annotated[float, _spec("disk_gb", strict=True, allow_inf_nan=False)]


class NetworkConfigBody(RequestBody):
    """How a new VM is connected."""

    type: Annotated[Literal["nat", "bridge", "network", "none"], _of(core.NetworkConfig, "type")] = "nat"
    bridge_name: Annotated[str | None, _of(core.NetworkConfig, "bridge_name")] = None
    network_name: Annotated[str | None, _of(core.NetworkConfig, "network_name")] = None


class CloudInitBody(RequestBody):
    """What a new guest's cloud-init is told."""

    hostname: Annotated[str | None, _of(core.CloudInit, "hostname")] = None
    ssh_authorized_keys: Annotated[list[str], _of(core.CloudInit, "ssh_authorized_keys", default_factory=list)]
    user_data: Annotated[str | None, _of(core.CloudInit, "user_data")] = None
    network_config: Annotated[str | None, _of(core.CloudInit, "network_config")] = None


class CreateBody(RequestBody):
    """A new VM."""

    name: Annotated[str, _spec("name")]
    server_id: Annotated[int, Field(description="The server that it is made on.", ge=1, le=2**31 - 1, strict=True)]
    cpu_cores: CpuCores
    memory_mb: MemoryMb
    disk_gb: DiskGb
    image: Annotated[str | None, _spec("image")] = None
    image_mode: Annotated[Literal["copy", "backing"], _spec("image_mode")] = "copy"
    os_type: Annotated[str, _spec("os_type")] = "linux"
    os_version: Annotated[str | None, _spec("os_version")] = None
    firmware: Annotated[Literal["bios", "uefi"], _spec("firmware")] = "bios"
    network_config: Annotated[NetworkConfigBody, _spec("network_config")] = NetworkConfigBody()
    cloud_init: Annotated[CloudInitBody | None, _spec("cloud_init")] = None
    description: Annotated[str | None, _spec("description")] = None
    tags: Annotated[list[str], _spec("tags", default_factory=list)]
    autostart: Annotated[bool, _spec("autostart", strict=True)] = False
    protected: Annotated[bool, _spec("protected", strict=True)] = False
    start: Annotated[bool, Field(description="Whether it is started once it is made.", strict=True)] = False

    def spec(self) -> core.MachineSpec:
        """What is asked for, in the core's terms; raises its `InvalidSpec`."""
        return core.spec_from(self.model_dump(exclude={"server_id", "start"}))


class ResizeBody(RequestBody):
    """Other sizes; what is left out stays as it is."""

    cpu_cores: CpuCores | None = None
    memory_mb: MemoryMb | None = None
    disk_gb: DiskGb | None = None


class ServerOfVm(ResponseBody):
    """Where a VM is."""

    id: int
    hostname: str


class Resources(ResponseBody):
    """A VM's sizes: MiB of memory, GiB of root disk."""

    cpu_cores: int
    memory_mb: int
    disk_gb: float


class NetworkOfVm(ResponseBody):
    """How a VM is reached."""

    ip_address: str | None
    mac_address: str | None


class Vm(ResponseBody):
    """A VM, as the contract shows it, and what it can be found by."""

    id: int
    name: str
    uuid: str
    status: MachineStatus
    server: ServerOfVm
    resources: Resources
    network: NetworkOfVm
    os_type: str | None
    os_version: str | None
    vnc_port: int | None
    description: str
    tags: list[str]
    autostart: bool
    protected: bool
    created_at: Timestamp
    updated_at: Timestamp

    @classmethod
    def of(cls, row: Machine) -> Vm:
        """The VM of a row whose server was fetched with it."""
        return cls(
            id=row.id,
            name=row.name,
            uuid=row.uuid,
            status=MachineStatus(row.status),
            server=ServerOfVm(id=row.server_id, hostname=row.server.hostname),
            resources=Resources(cpu_cores=row.cpu_cores, memory_mb=row.memory_mb, disk_gb=row.disk_gb),
            network=NetworkOfVm(ip_address=row.ip_address, mac_address=row.mac_address),
            os_type=row.os_type,
            os_version=row.os_version,
            vnc_port=row.vnc_port,
            description=row.description,
            tags=row.tags,
            autostart=row.autostart,
            protected=row.protected,
            created_at=row.created_at,
            updated_at=row.updated_at,
        )


class VmList(ResponseBody):
    """A page of VMs."""

    vms: list[Vm]
    total: int
    page: int
    per_page: int
    total_pages: int


class OperationDetails(ResponseBody):
    """What a verb did."""

    name: str
    status: str
    changed: bool


class OperationDone(ResponseBody):
    """The answer of a verb."""

    id: int
    name: str
    operation: str
    status: Literal["success"] = "success"
    message: str
    details: OperationDetails


class Deleted(ResponseBody):
    """The answer of a delete."""

    message: str
    detail: str
