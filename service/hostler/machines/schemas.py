# SPDX-License-Identifier: GPL-3.0-or-later
"""The bodies of the VM routes: the contract's shapes, with the core's spec as the source of every field's meaning."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from ansible_collections.hostler.libvirt.plugins.module_utils import spec as core
from hostler.bodies import RequestBody, ResponseBody, Timestamp
from hostler.machines.models import OUT_OF_SIGHT, Machine, MachineStatus
from hostler.placement.schemas import PlacementBody, PlacementShown


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
    """How one card of a new VM is connected."""

    type: Annotated[Literal["nat", "bridge", "network", "none"], _of(core.NetworkConfig, "type")] = "nat"
    bridge_name: Annotated[str | None, _of(core.NetworkConfig, "bridge_name")] = None
    network_name: Annotated[str | None, _of(core.NetworkConfig, "network_name")] = None
    model: Annotated[Literal["virtio", "e1000e", "rtl8139"], _of(core.NetworkConfig, "model")] = "virtio"
    mac_address: Annotated[str | None, _of(core.NetworkConfig, "mac_address")] = None


class DiskConfigBody(RequestBody):
    """A further disk of a new VM."""

    size_gb: Annotated[float, _of(core.DiskConfig, "size_gb", strict=True, allow_inf_nan=False)]
    image: Annotated[str | None, _of(core.DiskConfig, "image")] = None
    image_mode: Annotated[Literal["copy", "backing"], _of(core.DiskConfig, "image_mode")] = "copy"
    bus: Annotated[Literal["virtio", "scsi", "sata"], _of(core.DiskConfig, "bus")] = "virtio"


class CloudInitBody(RequestBody):
    """What a new guest's cloud-init is told."""

    hostname: Annotated[str | None, _of(core.CloudInit, "hostname")] = None
    ssh_authorized_keys: Annotated[list[str], _of(core.CloudInit, "ssh_authorized_keys", default_factory=list)]
    user_data: Annotated[str | None, _of(core.CloudInit, "user_data")] = None
    network_config: Annotated[str | None, _of(core.CloudInit, "network_config")] = None


class CreateBody(RequestBody):
    """A new VM."""

    name: Annotated[str, _spec("name")]
    server_id: Annotated[
        int | None,
        Field(
            description="The server that it is made on; one with room is chosen where it is left out.",
            ge=1,
            le=2**31 - 1,
            strict=True,
        ),
    ] = None
    placement: Annotated[
        PlacementBody | None, Field(description="What is asked of the server that is chosen, without server_id.")
    ] = None
    cpu_cores: CpuCores
    memory_mb: MemoryMb
    disk_gb: DiskGb
    image: Annotated[str | None, _spec("image")] = None
    image_mode: Annotated[Literal["copy", "backing"], _spec("image_mode")] = "copy"
    os_type: Annotated[str, _spec("os_type")] = "linux"
    os_version: Annotated[str | None, _spec("os_version")] = None
    firmware: Annotated[Literal["bios", "uefi"], _spec("firmware")] = "bios"
    secure_boot: Annotated[bool, _spec("secure_boot", strict=True)] = False
    tpm: Annotated[bool, _spec("tpm", strict=True)] = False
    max_cpu_cores: Annotated[int | None, _spec("max_cpu_cores", strict=True)] = None
    max_memory_mb: Annotated[int | None, _spec("max_memory_mb", strict=True)] = None
    disks: Annotated[list[DiskConfigBody], _spec("disks", default_factory=list)]
    network_config: Annotated[NetworkConfigBody, _spec("network_config")] = NetworkConfigBody()
    nics: Annotated[list[NetworkConfigBody], _spec("nics", default_factory=list)]
    cloud_init: Annotated[CloudInitBody | None, _spec("cloud_init")] = None
    description: Annotated[str | None, _spec("description")] = None
    tags: Annotated[list[str], _spec("tags", default_factory=list)]
    autostart: Annotated[bool, _spec("autostart", strict=True)] = False
    protected: Annotated[bool, _spec("protected", strict=True)] = False
    start: Annotated[bool, Field(description="Whether it is started once it is made.", strict=True)] = False

    def spec(self) -> core.MachineSpec:
        """What is asked for, in the core's terms; raises its `InvalidSpec`."""
        return core.spec_from(self.model_dump(exclude={"server_id", "placement", "start"}))

    @field_validator("placement")
    @classmethod
    def _without_a_server(cls, placement: PlacementBody | None, known: ValidationInfo) -> PlacementBody | None:
        if placement is not None and known.data.get("server_id") is not None:
            raise ValueError("is for a VM without server_id")
        return placement


class ResizeBody(RequestBody):
    """Other sizes; what is left out stays as it is."""

    cpu_cores: CpuCores | None = None
    memory_mb: MemoryMb | None = None
    disk_gb: DiskGb | None = None
    live: Annotated[
        bool,
        Field(description="Whether a running VM grows as it runs; what can't waits for its next boot.", strict=True),
    ] = False


class UpdateBody(RequestBody):
    """What is to be different about a VM; what is left out, or null, stays as it is. An empty text empties."""

    name: Annotated[str, _spec("name")] | None = None
    cpu_cores: CpuCores | None = None
    memory_mb: MemoryMb | None = None
    disk_gb: DiskGb | None = None
    os_type: Annotated[str, _spec("os_type")] | None = None
    os_version: Annotated[str, _spec("os_version")] | None = None
    description: Annotated[str, _spec("description")] | None = None
    tags: Annotated[list[str], _spec("tags")] | None = None
    autostart: Annotated[bool, _spec("autostart", strict=True)] | None = None
    protected: Annotated[bool, _spec("protected", strict=True)] | None = None


class NetworkChangeBody(RequestBody):
    """How a VM is to be connected: its first card."""

    type: Annotated[Literal["nat", "bridge", "network", "none"], _of(core.NetworkConfig, "type")]
    bridge_name: Annotated[str | None, _of(core.NetworkConfig, "bridge_name")] = None
    network_name: Annotated[str | None, _of(core.NetworkConfig, "network_name")] = None


class ConfigBody(RequestBody):
    """What is to be different about a VM's configuration; what is left out, or null, stays as it is."""

    cpu_cores: CpuCores | None = None
    memory_mb: MemoryMb | None = None
    disk_gb: DiskGb | None = None
    os_type: Annotated[str, _spec("os_type")] | None = None
    os_version: Annotated[str, _spec("os_version")] | None = None
    vnc_enabled: Annotated[bool, Field(description="Whether it has a VNC display.", strict=True)] | None = None
    network_config: Annotated[NetworkChangeBody, Field(description="How its first card is connected.")] | None = None


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
    drifted: bool = Field(description="Whether others have changed it from what it was asked to be.")
    ip_source: str | None = Field(
        description="Who tells its address: its guest agent (agent), libvirt's DHCP (lease), its host (arp), or the "
        "definition of its network (declared), which nobody has seen it at."
    )
    last_seen: Timestamp | None = Field(
        description="When its server last told of it, of a VM of which it is not known what it does (unknown, error)."
    )
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
            drifted=bool(row.drift),
            ip_source=row.ip_source,
            last_seen=row.last_seen if row.status in OUT_OF_SIGHT else None,
            created_at=row.created_at,
            updated_at=row.updated_at,
        )


class CreatedVm(Vm):
    """A VM that was made, and how its server was chosen."""

    placement: PlacementShown | None = Field(
        default=None,
        description="Which server was chosen, and why, where the request named none",
        exclude_if=lambda value: value is None,
    )

    @classmethod
    def made(cls, row: Machine, placement: Mapping[str, Any] | None) -> CreatedVm:
        """The VM of a row whose server was fetched with it, and its job's ``placement``."""
        return cls.model_validate({**Vm.of(row).model_dump(), "placement": placement})


VmOrder = Literal[
    "id", "-id",
    "name", "-name",
    "status", "-status",
    "cpu_cores", "-cpu_cores",
    "memory_mb", "-memory_mb",
    "disk_gb", "-disk_gb",
    "created_at", "-created_at",
    "updated_at", "-updated_at",
]  # fmt: skip
"""What a list of VMs can be sorted by."""


class NetworkConfigOfVm(ResponseBody):
    """How a VM's first card is connected."""

    type: Literal["nat", "bridge", "network", "none"]
    bridge_name: str | None
    network_name: str | None = Field(
        default=None, description="Of type network only", exclude_if=lambda value: value is None
    )


class VmConfig(ResponseBody):
    """A VM's configuration, as it is at its next boot."""

    id: int
    name: str
    uuid: str
    cpu_cores: int
    memory_mb: int
    disk_gb: float
    os_type: str | None
    os_version: str | None
    vnc_enabled: bool
    vnc_port: int | None
    network_config: NetworkConfigOfVm
    xml_config: str | None = Field(description="The domain's XML, secrets left out, where it was asked for")
    next_boot: list[str] | None = Field(
        default=None,
        description="Of a change: the fields that wait for the VM's next boot",
        exclude_if=lambda value: not value,
    )

    @classmethod
    def of(cls, row: Machine, xml: str | None = None, next_boot: list[str] | None = None) -> VmConfig:
        """The configuration of a row."""
        return cls(
            id=row.id,
            name=row.name,
            uuid=row.uuid,
            cpu_cores=row.cpu_cores,
            memory_mb=row.memory_mb,
            disk_gb=row.disk_gb,
            os_type=row.os_type,
            os_version=row.os_version,
            vnc_enabled=row.vnc_enabled,
            vnc_port=row.vnc_port,
            network_config=NetworkConfigOfVm.model_validate(
                {"type": row.network_type or "none", "bridge_name": row.bridge_name, "network_name": row.network_name}
            ),
            xml_config=xml,
            next_boot=next_boot,
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
    next_boot: list[str] | None = Field(
        default=None,
        description="Of a live resize: the fields that wait for the VM's next boot",
        exclude_if=lambda value: value is None,
    )


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
