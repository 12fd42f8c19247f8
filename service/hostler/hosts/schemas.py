# SPDX-License-Identifier: GPL-3.0-or-later
"""The bodies of the server routes."""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

from pydantic import Field, StrictBool, field_validator

from ansible_collections.hostler.libvirt.plugins.module_utils.spec import HOSTNAME_PATTERN, LIBVIRT_NAME_PATTERN
from hostler.bodies import RequestBody, ResponseBody, Timestamp
from hostler.hosts.models import AnsibleConnection, Server, ServerState, VirtType
from hostler.hosts.use import Use
from hostler.tags import Tag

T = TypeVar("T")

_HOST = r"^([A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|[0-9a-fA-F:]{2,39})$"
_USER = r"^[a-z_][a-z0-9_-]{0,31}$"

# pydantic's patterns have no look-ahead; the length is bounded beside it
_HOSTNAME = HOSTNAME_PATTERN.replace("(?=.{1,253}$)", "")
_LIBVIRT_NAME = LIBVIRT_NAME_PATTERN

Hostname = Annotated[str, Field(description="What the server is called; unique.", pattern=_HOSTNAME, max_length=253)]
LibvirtUri = Annotated[
    str,
    Field(
        description="qemu:///system, qemu+ssh://[user@]host[:port]/system or qemu+tls://host[:port]/system.",
        max_length=1024,
    ),
]
Virt = Annotated[
    Literal["auto", "kvm", "qemu"],
    Field(description="What guests run on; auto tries once whether a guest under KVM gets anywhere."),
]
PoolName = Annotated[str, Field(description="A storage pool of the server.", pattern=_LIBVIRT_NAME)]
NetworkName = Annotated[str, Field(description="The libvirt network that is its NAT network.", pattern=_LIBVIRT_NAME)]
AnsibleHost = Annotated[
    str | None, Field(description="Address for SSH; the hostname where it is left out.", pattern=_HOST)
]
AnsibleUser = Annotated[str | None, Field(description="User for SSH; root where it is left out.", pattern=_USER)]
AnsiblePort = Annotated[int | None, Field(description="Port for SSH.", ge=1, le=65535, strict=True)]
AnsibleBy = Annotated[
    Literal["local", "ssh"],
    Field(description="Where playbooks run their modules: beside the service, or on the server by SSH."),
]
CredentialId = Annotated[
    int | None,
    Field(
        description="The credential that it is reached with; the service's own keys without.",
        ge=1,
        le=2**31 - 1,
        strict=True,
    ),
]
Draining = Annotated[
    StrictBool, Field(description="Whether no new VM is made there; those that are there stay usable.")
]
ServerTags = Annotated[
    list[Tag], Field(description="Tags by which a create without server_id may choose.", max_length=64)
]
CpuOvercommit = Annotated[
    float,
    Field(
        description="vCPUs that may be promised for each logical CPU, where a server is chosen.",
        gt=0,
        le=64,
        strict=True,
    ),
]
MemoryOvercommit = Annotated[
    float,
    Field(
        description="MiB that may be promised for each MiB of memory, where a server is chosen.",
        gt=0,
        le=16,
        strict=True,
    ),
]


class ServerBody(RequestBody):
    """A new server."""

    hostname: Hostname
    libvirt_uri: LibvirtUri
    virt_type: Virt = "auto"
    pool: PoolName = "default"
    image_pool: PoolName = "default"
    network: NetworkName = "default"
    ansible_connection: AnsibleBy = "local"
    ansible_host: AnsibleHost = None
    ansible_user: AnsibleUser = None
    ansible_port: AnsiblePort = None
    enabled: StrictBool = True
    credential_id: CredentialId = None
    draining: Draining = False
    tags: ServerTags = Field(default_factory=list)
    cpu_overcommit: CpuOvercommit = 4.0
    memory_overcommit: MemoryOvercommit = 1.0


class ServerChange(RequestBody):
    """What is to be different about a server: what is left out stays, null takes away what a server need not have."""

    hostname: Hostname | None = None
    libvirt_uri: LibvirtUri | None = None
    virt_type: Virt | None = None
    pool: PoolName | None = None
    image_pool: PoolName | None = None
    network: NetworkName | None = None
    ansible_connection: AnsibleBy | None = None
    ansible_host: AnsibleHost = None
    ansible_user: AnsibleUser = None
    ansible_port: AnsiblePort = None
    enabled: StrictBool | None = None
    credential_id: CredentialId = None
    draining: Draining | None = None
    tags: ServerTags | None = None
    cpu_overcommit: CpuOvercommit | None = None
    memory_overcommit: MemoryOvercommit | None = None

    @field_validator(
        "hostname",
        "libvirt_uri",
        "virt_type",
        "pool",
        "image_pool",
        "network",
        "ansible_connection",
        "enabled",
        "draining",
        "tags",
        "cpu_overcommit",
        "memory_overcommit",
    )
    @classmethod
    def _is_something(cls, value: T) -> T:
        if value is None:
            raise ValueError("a server can't be without it")
        return value


class PoolShown(ResponseBody):
    """A storage pool of a server, in GiB."""

    name: str
    total_gb: float
    free_gb: float


class UseShown(ResponseBody):
    """What the VMs of a server were promised, all of them and those that run: vCPUs, MiB of memory."""

    vms: int
    vms_running: int
    cpu_cores: int
    cpu_cores_running: int
    memory_mb: int
    memory_mb_running: int


class ServerShown(ResponseBody):
    """A server: how it is reached, its state, its capacity (logical CPUs, MiB of memory, GiB of its disks' pool)."""

    id: int
    hostname: str
    libvirt_uri: str
    virt_type: VirtType
    virt_type_found: str | None
    pool: str
    image_pool: str
    network: str
    ansible_connection: AnsibleConnection
    ansible_host: str | None
    ansible_user: str | None
    ansible_port: int | None
    credential_id: int | None
    enabled: bool
    draining: bool
    drained: bool = Field(description="Whether it is draining and none of its VMs runs there any more")
    tags: list[str]
    state: ServerState
    state_reason: str | None
    cpu_overcommit: float
    memory_overcommit: float
    cpu_total: int | None
    memory_total_mb: int | None
    memory_free_mb: int | None
    disk_total_gb: float | None
    disk_free_gb: float | None
    pools: list[PoolShown] = Field(description="Every active storage pool, as it was last seen")
    use: UseShown
    last_seen: Timestamp | None
    created_at: Timestamp
    updated_at: Timestamp

    @classmethod
    def of(cls, server: Server, use: Use) -> ServerShown:
        """The server of a row, and what its VMs were promised."""
        plain = {name: getattr(server, name) for name in cls.model_fields if name not in ("drained", "use")}
        drained = server.draining and not use.vms_running
        return cls.model_validate({**plain, "drained": drained, "use": UseShown.model_validate(use)})


class Refreshed(ResponseBody):
    """What a refresh of a server found."""

    message: str
    machines: int
    appeared: int
    changed: int
    gone: int
