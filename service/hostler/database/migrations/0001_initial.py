# SPDX-License-Identifier: GPL-3.0-or-later
"""The first schema: users and their tokens, servers, VMs, jobs."""

import functools
from json import dumps, loads

from tortoise import fields, migrations
from tortoise.fields.base import OnDelete
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    """Makes every table."""

    initial = True

    operations = [  # noqa: RUF012 - Tortoise reads it from the class
        ops.CreateModel(
            name="Server",
            fields=[
                (
                    "id",
                    fields.IntField(
                        generated=True, primary_key=True, unique=True, db_index=True, description="Never used again"
                    ),
                ),
                ("hostname", fields.CharField(description="Unique, what the API shows", max_length=255)),
                (
                    "libvirt_uri",
                    fields.CharField(
                        description="How the service reaches its libvirt, no secret in it", max_length=1024
                    ),
                ),
                ("virt_type", fields.CharField(default="auto", description="auto, kvm or qemu", max_length=8)),
                (
                    "virt_type_found",
                    fields.CharField(
                        null=True, description="kvm or qemu, as a probe found, null before the first", max_length=8
                    ),
                ),
                ("pool", fields.CharField(default="default", description="Storage pool of new disks", max_length=255)),
                (
                    "image_pool",
                    fields.CharField(default="default", description="Storage pool of base images", max_length=255),
                ),
                (
                    "network",
                    fields.CharField(default="default", description="libvirt network of NAT guests", max_length=255),
                ),
                (
                    "ansible_connection",
                    fields.CharField(default="local", description="local or ssh: where modules run", max_length=8),
                ),
                (
                    "ansible_host",
                    fields.CharField(null=True, description="Address for ssh, null is hostname", max_length=255),
                ),
                (
                    "ansible_user",
                    fields.CharField(null=True, description="User for ssh, null is Ansible's default", max_length=64),
                ),
                ("ansible_port", fields.IntField(null=True, description="Port for ssh, null is 22")),
                (
                    "enabled",
                    fields.BooleanField(
                        default=True, description="A disabled server is neither watched nor written to"
                    ),
                ),
                (
                    "state",
                    fields.CharField(default="unknown", description="unknown, reachable or unreachable", max_length=16),
                ),
                (
                    "state_reason",
                    fields.TextField(null=True, description="Why it is unreachable, one sentence", unique=False),
                ),
                ("host_uuid", fields.CharField(null=True, description="libvirt's UUID of the host", max_length=36)),
                ("cpu_total", fields.IntField(null=True, description="Logical CPUs")),
                ("memory_total_mb", fields.IntField(null=True, description="MiB")),
                ("memory_free_mb", fields.IntField(null=True, description="MiB, when it was last seen")),
                (
                    "last_seen",
                    fields.DatetimeField(
                        null=True, description="UTC, its libvirt's last answer", auto_now=False, auto_now_add=False
                    ),
                ),
                ("created_at", fields.DatetimeField(description="UTC", auto_now=False, auto_now_add=True)),
                ("updated_at", fields.DatetimeField(description="UTC", auto_now=True, auto_now_add=False)),
            ],
            options={"table": "server", "app": "hostler", "pk_attr": "id", "table_description": "Hypervisors"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="User",
            fields=[
                (
                    "id",
                    fields.IntField(
                        generated=True, primary_key=True, unique=True, db_index=True, description="Never used again"
                    ),
                ),
                ("username", fields.CharField(description="As it was given, and as it is shown", max_length=64)),
                (
                    "username_key",
                    fields.CharField(
                        description="The name in lower case, unique: 'Ada' and 'ada' are one user", max_length=64
                    ),
                ),
                (
                    "password_hash",
                    fields.CharField(description="Argon2id, with its parameters and salt", max_length=255),
                ),
                (
                    "permissions",
                    fields.JSONField(
                        description="List of read, write and admin, none implies another",
                        encoder=functools.partial(dumps, separators=(",", ":")),
                        decoder=loads,
                    ),
                ),
                (
                    "enabled",
                    fields.BooleanField(default=True, description="A disabled user can't log in and has no sessions"),
                ),
                (
                    "session_epoch",
                    fields.IntField(
                        default=1, description="Access tokens carry it, and one of an earlier epoch is no longer good"
                    ),
                ),
                ("created_at", fields.DatetimeField(description="UTC", auto_now=False, auto_now_add=True)),
                ("updated_at", fields.DatetimeField(description="UTC", auto_now=True, auto_now_add=False)),
            ],
            options={"table": "user_account", "app": "hostler", "pk_attr": "id", "table_description": "Users"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="ApiToken",
            fields=[
                ("id", fields.IntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("name", fields.CharField(description="What its owner calls it", max_length=100)),
                (
                    "prefix",
                    fields.CharField(description="The token's first characters, to recognise it by", max_length=16),
                ),
                ("token_hash", fields.CharField(description="SHA-256 of the token, in hexadecimal", max_length=64)),
                (
                    "user",
                    fields.ForeignKeyField(
                        "hostler.User",
                        source_field="user_id",
                        description="Its owner",
                        db_constraint=True,
                        to_field="id",
                        related_name="api_tokens",
                        on_delete=OnDelete.CASCADE,
                    ),
                ),
                (
                    "scopes",
                    fields.JSONField(
                        description="List of read, write and admin, of which its owner's permissions are the limit",
                        encoder=functools.partial(dumps, separators=(",", ":")),
                        decoder=loads,
                    ),
                ),
                (
                    "expires_at",
                    fields.DatetimeField(
                        null=True, description="UTC, null is never", auto_now=False, auto_now_add=False
                    ),
                ),
                (
                    "last_used_at",
                    fields.DatetimeField(
                        null=True, description="UTC, within half a minute", auto_now=False, auto_now_add=False
                    ),
                ),
                ("created_at", fields.DatetimeField(description="UTC", auto_now=False, auto_now_add=True)),
                ("revoked_at", fields.DatetimeField(null=True, description="UTC", auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "api_token",
                "app": "hostler",
                "pk_attr": "id",
                "table_description": "Personal access tokens",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Job",
            fields=[
                (
                    "id",
                    fields.BigIntField(
                        generated=True,
                        primary_key=True,
                        unique=True,
                        db_index=True,
                        description="Ascending, never used again",
                    ),
                ),
                (
                    "action",
                    fields.CharField(description="vm_create, vm_start ...: the playbook's name, too", max_length=32),
                ),
                ("executor", fields.CharField(description="direct, playbook or awx", max_length=16)),
                (
                    "state",
                    fields.CharField(
                        default="queued", description="queued, running, succeeded, failed or canceled", max_length=16
                    ),
                ),
                ("progress", fields.IntField(default=0, description="Percent, 0 to 100")),
                (
                    "progress_text",
                    fields.TextField(default="", description="What it is doing, for people", unique=False),
                ),
                (
                    "actor",
                    fields.ForeignKeyField(
                        "hostler.User",
                        source_field="actor_id",
                        null=True,
                        description="Who asked",
                        db_constraint=True,
                        to_field="id",
                        related_name="jobs",
                        on_delete=OnDelete.SET_NULL,
                    ),
                ),
                (
                    "actor_name",
                    fields.CharField(
                        default="", description="Who asked, also after the user is deleted", max_length=64
                    ),
                ),
                ("vm_id", fields.IntField(null=True, description="The VM's id, no reference")),
                ("vm_uuid", fields.CharField(null=True, description="The VM's UUID", max_length=36)),
                (
                    "vm_name",
                    fields.CharField(null=True, description="The VM's name when it was asked for", max_length=255),
                ),
                ("server_id", fields.IntField(null=True, description="The server's id, no reference")),
                (
                    "parameters",
                    fields.JSONField(
                        default=dict,
                        description="What was asked for, secrets left out",
                        encoder=functools.partial(dumps, separators=(",", ":")),
                        decoder=loads,
                    ),
                ),
                (
                    "plan",
                    fields.JSONField(
                        null=True,
                        description="What the plan said would be done",
                        encoder=functools.partial(dumps, separators=(",", ":")),
                        decoder=loads,
                    ),
                ),
                (
                    "result",
                    fields.JSONField(
                        null=True,
                        description="What was done, as the verb answers it",
                        encoder=functools.partial(dumps, separators=(",", ":")),
                        decoder=loads,
                    ),
                ),
                (
                    "error_code",
                    fields.CharField(null=True, description="A stable slug, of a failed job", max_length=64),
                ),
                (
                    "error_detail",
                    fields.TextField(null=True, description="One sentence, of a failed job", unique=False),
                ),
                (
                    "idempotency_key",
                    fields.CharField(null=True, description="The caller's Idempotency-Key", max_length=255),
                ),
                (
                    "request_hash",
                    fields.CharField(
                        null=True,
                        description="SHA-256 of the request, to tell a repeat from a new one under the key",
                        max_length=64,
                    ),
                ),
                (
                    "generation",
                    fields.IntField(
                        default=0,
                        description="The VM's generation that this job may act for, checked before every step",
                    ),
                ),
                ("attempt", fields.IntField(default=0, description="How often it was taken up")),
                (
                    "lease_owner",
                    fields.CharField(null=True, description="Which process carries it out", max_length=128),
                ),
                (
                    "lease_expires_at",
                    fields.DatetimeField(
                        null=True,
                        description="UTC, after that another may take it over",
                        auto_now=False,
                        auto_now_add=False,
                    ),
                ),
                ("supersedes_id", fields.BigIntField(null=True, description="The job that this one took the place of")),
                (
                    "parent_id",
                    fields.BigIntField(null=True, description="The job of many VMs that this one is part of"),
                ),
                (
                    "request_id",
                    fields.CharField(null=True, description="The request that asked, as in the log", max_length=64),
                ),
                (
                    "external_id",
                    fields.CharField(null=True, description="The executor's own id, e.g. of AWX", max_length=64),
                ),
                (
                    "cancel_requested_at",
                    fields.DatetimeField(null=True, description="UTC", auto_now=False, auto_now_add=False),
                ),
                ("created_at", fields.DatetimeField(description="UTC", auto_now=False, auto_now_add=True)),
                ("started_at", fields.DatetimeField(null=True, description="UTC", auto_now=False, auto_now_add=False)),
                ("finished_at", fields.DatetimeField(null=True, description="UTC", auto_now=False, auto_now_add=False)),
            ],
            options={"table": "job", "app": "hostler", "pk_attr": "id", "table_description": "Jobs"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="JobLog",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                (
                    "job",
                    fields.ForeignKeyField(
                        "hostler.Job",
                        source_field="job_id",
                        db_constraint=True,
                        to_field="id",
                        related_name="log",
                        on_delete=OnDelete.CASCADE,
                    ),
                ),
                ("at", fields.DatetimeField(description="UTC", auto_now=False, auto_now_add=False)),
                ("stream", fields.CharField(description="stdout, stderr, or step", max_length=16)),
                ("line", fields.TextField(description="Without its line end, secrets left out", unique=False)),
            ],
            options={"table": "job_log", "app": "hostler", "pk_attr": "id", "table_description": "Log lines of jobs"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="JobStep",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                (
                    "job",
                    fields.ForeignKeyField(
                        "hostler.Job",
                        source_field="job_id",
                        db_constraint=True,
                        to_field="id",
                        related_name="steps",
                        on_delete=OnDelete.CASCADE,
                    ),
                ),
                ("position", fields.IntField(description="From 0, unique in its job")),
                ("name", fields.TextField(description="What it does, for people", unique=False)),
                (
                    "state",
                    fields.CharField(
                        default="pending", description="pending, running, succeeded, failed or skipped", max_length=16
                    ),
                ),
                ("progress", fields.IntField(default=0, description="Percent, 0 to 100")),
                (
                    "changed",
                    fields.BooleanField(null=True, description="Whether it changed anything, null before it ended"),
                ),
                (
                    "detail",
                    fields.TextField(null=True, description="What it found or did, or why it failed", unique=False),
                ),
                ("started_at", fields.DatetimeField(null=True, description="UTC", auto_now=False, auto_now_add=False)),
                ("finished_at", fields.DatetimeField(null=True, description="UTC", auto_now=False, auto_now_add=False)),
            ],
            options={"table": "job_step", "app": "hostler", "pk_attr": "id", "table_description": "Steps of jobs"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Machine",
            fields=[
                (
                    "id",
                    fields.IntField(
                        generated=True,
                        primary_key=True,
                        unique=True,
                        db_index=True,
                        description="The same for its whole life, and never another's",
                    ),
                ),
                ("uuid", fields.CharField(description="libvirt's, two servers can have the same", max_length=36)),
                (
                    "server",
                    fields.ForeignKeyField(
                        "hostler.Server",
                        source_field="server_id",
                        db_constraint=True,
                        to_field="id",
                        related_name="machines",
                        on_delete=OnDelete.RESTRICT,
                    ),
                ),
                ("name", fields.CharField(description="Unique on its server", max_length=255)),
                ("status", fields.CharField(default="unknown", description="See MachineStatus", max_length=16)),
                ("cpu_cores", fields.IntField(description="vCPUs of the next boot")),
                ("memory_mb", fields.IntField(description="MiB of the next boot")),
                ("disk_gb", fields.FloatField(description="GiB of the root disk, 0 without one")),
                (
                    "ip_address",
                    fields.CharField(null=True, description="The first usable address, v4 or v6", max_length=45),
                ),
                (
                    "ip_source",
                    fields.CharField(
                        null=True, description="Where it is from: agent, lease, arp, declared", max_length=16
                    ),
                ),
                ("mac_address", fields.CharField(null=True, description="The first NIC's", max_length=17)),
                ("os_type", fields.CharField(null=True, description="linux, windows ...", max_length=64)),
                ("os_version", fields.TextField(null=True, description="Free text, e.g. Ubuntu 22.04", unique=False)),
                ("vnc_enabled", fields.BooleanField(default=True, description="Whether it has a VNC display")),
                ("vnc_port", fields.IntField(null=True, description="TCP port on its server while it runs")),
                (
                    "network_type",
                    fields.CharField(null=True, description="The first NIC's: nat, bridge ...", max_length=16),
                ),
                ("bridge_name", fields.CharField(null=True, description="The first NIC's bridge", max_length=64)),
                ("firmware", fields.CharField(default="bios", description="bios or uefi", max_length=8)),
                ("description", fields.TextField(default="", description="Free text", unique=False)),
                (
                    "tags",
                    fields.JSONField(
                        default=list,
                        description="List of texts",
                        encoder=functools.partial(dumps, separators=(",", ":")),
                        decoder=loads,
                    ),
                ),
                ("autostart", fields.BooleanField(default=False, description="Starts with its server")),
                (
                    "protected",
                    fields.BooleanField(default=False, description="Can't be deleted until this is taken off"),
                ),
                (
                    "foreign",
                    fields.BooleanField(
                        source_field="is_foreign", default=False, description="Made by others: it has no record of ours"
                    ),
                ),
                (
                    "owner",
                    fields.ForeignKeyField(
                        "hostler.User",
                        source_field="owner_id",
                        null=True,
                        db_constraint=True,
                        to_field="id",
                        related_name="machines",
                        on_delete=OnDelete.SET_NULL,
                    ),
                ),
                ("revision", fields.IntField(default=0, description="Of the spec: one more with every change of ours")),
                (
                    "generation",
                    fields.IntField(
                        default=0,
                        description="One more with every job that takes the VM over, fencing earlier ones off",
                    ),
                ),
                (
                    "spec",
                    fields.JSONField(
                        default=dict,
                        description="What was last asked for, by the core's fields, no secret in it",
                        encoder=functools.partial(dumps, separators=(",", ":")),
                        decoder=loads,
                    ),
                ),
                (
                    "last_seen",
                    fields.DatetimeField(
                        null=True, description="UTC, when its server last listed it", auto_now=False, auto_now_add=False
                    ),
                ),
                ("created_at", fields.DatetimeField(description="UTC", auto_now=False, auto_now_add=True)),
                ("updated_at", fields.DatetimeField(description="UTC", auto_now=True, auto_now_add=False)),
            ],
            options={"table": "vm", "app": "hostler", "pk_attr": "id", "table_description": "Virtual machines"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="RefreshToken",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("token_hash", fields.CharField(description="SHA-256 of the token, in hexadecimal", max_length=64)),
                ("family", fields.CharField(description="The session: what began with one login", max_length=32)),
                (
                    "user",
                    fields.ForeignKeyField(
                        "hostler.User",
                        source_field="user_id",
                        db_constraint=True,
                        to_field="id",
                        related_name="refresh_tokens",
                        on_delete=OnDelete.CASCADE,
                    ),
                ),
                ("created_at", fields.DatetimeField(description="UTC", auto_now=False, auto_now_add=True)),
                ("expires_at", fields.DatetimeField(description="UTC", auto_now=False, auto_now_add=False)),
                (
                    "used_at",
                    fields.DatetimeField(
                        null=True,
                        description="UTC, when it was exchanged, a second use is theft",
                        auto_now=False,
                        auto_now_add=False,
                    ),
                ),
                (
                    "revoked_at",
                    fields.DatetimeField(
                        null=True, description="UTC, when its session was ended", auto_now=False, auto_now_add=False
                    ),
                ),
            ],
            options={
                "table": "refresh_token",
                "app": "hostler",
                "pk_attr": "id",
                "table_description": "Refresh tokens",
            },
            bases=["Model"],
        ),
    ]
