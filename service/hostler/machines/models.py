# SPDX-License-Identifier: GPL-3.0-or-later
"""The virtual machines, as rows: what the hypervisors have. Indexes stand in `hostler.database.indexes`."""

from __future__ import annotations

from enum import StrEnum

from tortoise import fields
from tortoise.models import Model

from hostler.accounts.models import User
from hostler.hosts.models import Server


class MachineStatus(StrEnum):
    """What a VM is doing, as the API says it."""

    CREATING = "creating"
    RUNNING = "running"
    PAUSED = "paused"
    SUSPENDED = "suspended"
    """The guest sleeps (ACPI S3)."""
    STOPPING = "stopping"
    STOPPED = "stopped"
    SAVED = "saved"
    """Off, with its memory in a file (managed save)."""
    CRASHED = "crashed"
    DELETING = "deleting"
    ERROR = "error"
    UNKNOWN = "unknown"
    """Its host is unreachable; never shown as stopped, never deleted."""


OUT_OF_SIGHT = (MachineStatus.UNKNOWN.value, MachineStatus.ERROR.value)
"""What a VM is of which nobody can tell what it does: then it is shown when it was last seen."""


class Machine(Model):
    """A VM: a libvirt domain, whoever made it."""

    id = fields.IntField(primary_key=True, description="The same for its whole life, and never another's")
    uuid = fields.CharField(max_length=36, description="libvirt's, two servers can have the same")
    server: fields.ForeignKeyRelation[Server] = fields.ForeignKeyField(
        "hostler.Server", related_name="machines", on_delete=fields.RESTRICT
    )
    server_id: int
    name = fields.CharField(max_length=255, description="Unique on its server")
    status = fields.CharField(max_length=16, default=MachineStatus.UNKNOWN.value, description="See MachineStatus")
    cpu_cores = fields.IntField(description="vCPUs of the next boot")
    memory_mb = fields.IntField(description="MiB of the next boot")
    disk_gb = fields.FloatField(description="GiB of the root disk, 0 without one")
    ip_address = fields.CharField(max_length=45, null=True, description="The first usable address, v4 or v6")
    ip_source = fields.CharField(max_length=16, null=True, description="Where it is from: agent, lease, arp, declared")
    mac_address = fields.CharField(max_length=17, null=True, description="The first NIC's")
    os_type = fields.CharField(max_length=64, null=True, description="linux, windows ...")
    os_version = fields.TextField(null=True, description="Free text, e.g. Ubuntu 22.04")
    vnc_enabled = fields.BooleanField(default=True, description="Whether it has a VNC display")
    vnc_port = fields.IntField(null=True, description="TCP port on its server while it runs")
    network_type = fields.CharField(max_length=16, null=True, description="The first NIC's: nat, bridge ...")
    bridge_name = fields.CharField(max_length=64, null=True, description="The first NIC's bridge")
    network_name = fields.CharField(max_length=255, null=True, description="The first NIC's libvirt network")
    firmware = fields.CharField(max_length=8, default="bios", description="bios or uefi")
    description = fields.TextField(default="", description="Free text")
    tags: fields.JSONField[list[str]] = fields.JSONField(default=list, description="List of texts")
    autostart = fields.BooleanField(default=False, description="Starts with its server")
    protected = fields.BooleanField(default=False, description="Can't be deleted until this is taken off")
    foreign = fields.BooleanField(
        default=False, source_field="is_foreign", description="Made by others: it has no record of ours"
    )
    owner: fields.ForeignKeyNullableRelation[User] = fields.ForeignKeyField(
        "hostler.User", related_name="machines", null=True, on_delete=fields.SET_NULL
    )
    owner_id: int | None
    revision = fields.IntField(default=0, description="Of the spec: one more with every change of ours")
    generation = fields.IntField(
        default=0, description="One more with every job that takes the VM over, fencing earlier ones off"
    )
    spec: fields.JSONField[dict[str, object]] = fields.JSONField(
        default=dict, description="What was last asked for, by the core's fields, no secret in it"
    )
    drift: fields.JSONField[list[dict[str, object]] | None] = fields.JSONField(
        null=True, description="In which fields it differs from what was asked, null where in none"
    )
    last_seen = fields.DatetimeField(null=True, description="UTC, when its server last listed it")
    created_at = fields.DatetimeField(auto_now_add=True, description="UTC")
    updated_at = fields.DatetimeField(auto_now=True, description="UTC")

    class Meta:
        table = "vm"
        table_description = "Virtual machines"
