# SPDX-License-Identifier: GPL-3.0-or-later
"""The hypervisors, as rows. Indexes stand in `hostler.database.indexes`."""

from __future__ import annotations

from enum import StrEnum

from tortoise import fields
from tortoise.models import Model

from hostler.credentials.models import Credential


class VirtType(StrEnum):
    """Which accelerator guests of a server run on."""

    AUTO = "auto"
    """Found out by a probe: KVM where guests really run on it."""
    KVM = "kvm"
    QEMU = "qemu"
    """TCG: no hardware needed, and slow."""


class ServerState(StrEnum):
    """Whether a server's libvirt answers."""

    UNKNOWN = "unknown"
    """Nobody has asked yet."""
    REACHABLE = "reachable"
    UNREACHABLE = "unreachable"


class AnsibleConnection(StrEnum):
    """Where the modules of a playbook run."""

    LOCAL = "local"
    """On the service's machine, with the server's libvirt_uri."""
    SSH = "ssh"
    """On the hypervisor, with qemu:///system."""


class Server(Model):
    """A hypervisor: how to reach its libvirt, what it has, and what was last seen of it."""

    id = fields.IntField(primary_key=True, description="Never used again")
    hostname = fields.CharField(max_length=255, description="Unique, what the API shows")
    libvirt_uri = fields.CharField(max_length=1024, description="How the service reaches its libvirt, no secret in it")
    virt_type = fields.CharField(max_length=8, default=VirtType.AUTO.value, description="auto, kvm or qemu")
    virt_type_found = fields.CharField(
        max_length=8, null=True, description="kvm or qemu, as a probe found, null before the first"
    )
    pool = fields.CharField(max_length=255, default="default", description="Storage pool of new disks")
    image_pool = fields.CharField(max_length=255, default="default", description="Storage pool of base images")
    network = fields.CharField(max_length=255, default="default", description="libvirt network of NAT guests")
    ansible_connection = fields.CharField(
        max_length=8, default=AnsibleConnection.LOCAL.value, description="local or ssh: where modules run"
    )
    ansible_host = fields.CharField(max_length=255, null=True, description="Address for ssh, null is hostname")
    ansible_user = fields.CharField(max_length=64, null=True, description="User for ssh, null is Ansible's default")
    ansible_port = fields.IntField(null=True, description="Port for ssh, null is 22")
    enabled = fields.BooleanField(default=True, description="A disabled server is neither watched nor written to")
    credential: fields.ForeignKeyNullableRelation[Credential] = fields.ForeignKeyField(
        "hostler.Credential", related_name="servers", null=True, on_delete=fields.RESTRICT
    )
    credential_id: int | None
    draining = fields.BooleanField(
        default=False, db_default=False, description="No new VM is made there, those that are there stay usable"
    )
    tags: fields.JSONField[list[str]] = fields.JSONField(
        default=list, db_default=[], description="List of texts, by which a create without a server may choose"
    )
    cpu_overcommit = fields.FloatField(
        default=4.0, db_default=4.0, description="vCPUs that a placement may promise for each logical CPU"
    )
    memory_overcommit = fields.FloatField(
        default=1.0, db_default=1.0, description="MiB that a placement may promise for each MiB of memory"
    )
    state = fields.CharField(
        max_length=16, default=ServerState.UNKNOWN.value, description="unknown, reachable or unreachable"
    )
    state_reason = fields.TextField(null=True, description="Why it is unreachable, one sentence")
    host_uuid = fields.CharField(max_length=36, null=True, description="libvirt's UUID of the host")
    cpu_total = fields.IntField(null=True, description="Logical CPUs")
    memory_total_mb = fields.IntField(null=True, description="MiB")
    memory_free_mb = fields.IntField(null=True, description="MiB, when it was last seen")
    disk_total_gb = fields.FloatField(null=True, description="GiB, of the storage pool of new disks")
    disk_free_gb = fields.FloatField(null=True, description="GiB, when it was last seen")
    pools: fields.JSONField[list[dict[str, object]]] = fields.JSONField(
        default=list, db_default=[], description="Every active storage pool when it was last seen: name, sizes in GiB"
    )
    last_seen = fields.DatetimeField(null=True, description="UTC, its libvirt's last answer")
    created_at = fields.DatetimeField(auto_now_add=True, description="UTC")
    updated_at = fields.DatetimeField(auto_now=True, description="UTC")

    class Meta:
        table = "server"
        table_description = "Hypervisors"


class HostLease(Model):
    """Which service watches a server, where several work on one database; there are none on SQLite.

    It is valid for as long as its owner is alive (`hostler.services.models.ServiceProcess`), so that no lease is
    written again and again.
    """

    server_id = fields.IntField(primary_key=True, generated=False, description="The server's id, no reference")
    owner = fields.CharField(max_length=128, null=True, description="The service's name, null is free")
    taken_at = fields.DatetimeField(null=True, description="UTC, by the database's clock")

    class Meta:
        table = "host_lease"
        table_description = "Who watches which server"
