# SPDX-License-Identifier: GPL-3.0-or-later
"""Base images, events, the tickets of streams, and a VM's libvirt network."""

import functools
from json import dumps, loads

from tortoise import fields, migrations
from tortoise.fields.base import OnDelete
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    """Makes three tables and a column."""

    dependencies = [("hostler", "0001_initial")]  # noqa: RUF012 - Tortoise reads it from the class

    initial = False

    operations = [  # noqa: RUF012 - Tortoise reads it from the class
        ops.CreateModel(
            name="Event",
            fields=[
                (
                    "id",
                    fields.BigIntField(
                        generated=True,
                        primary_key=True,
                        unique=True,
                        db_index=True,
                        description="Ascending, never used again: the stream's event id",
                    ),
                ),
                ("at", fields.DatetimeField(description="UTC", auto_now=False, auto_now_add=True)),
                ("kind", fields.CharField(description="vm.changed, job.changed, server.changed ...", max_length=32)),
                ("vm_id", fields.IntField(null=True, description="The VM's id, no reference")),
                ("server_id", fields.IntField(null=True, description="The server's id, no reference")),
                ("job_id", fields.BigIntField(null=True, description="The job's id, no reference")),
                (
                    "data",
                    fields.JSONField(
                        default=dict,
                        description="What it is now, no secret in it",
                        encoder=functools.partial(dumps, separators=(",", ":")),
                        decoder=loads,
                    ),
                ),
            ],
            options={"table": "event", "app": "hostler", "pk_attr": "id", "table_description": "What changed"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Image",
            fields=[
                (
                    "id",
                    fields.IntField(
                        generated=True, primary_key=True, unique=True, db_index=True, description="Never used again"
                    ),
                ),
                (
                    "server",
                    fields.ForeignKeyField(
                        "hostler.Server",
                        source_field="server_id",
                        db_constraint=True,
                        to_field="id",
                        related_name="images",
                        on_delete=OnDelete.CASCADE,
                    ),
                ),
                ("name", fields.CharField(description="The volume's, unique on its server", max_length=255)),
                ("pool", fields.CharField(description="The storage pool that it was seen in", max_length=255)),
                ("format", fields.CharField(description="qcow2, raw, iso ...", max_length=16)),
                (
                    "capacity",
                    fields.BigIntField(description="Virtual size in bytes: the least that a disk made from it has"),
                ),
                ("allocation", fields.BigIntField(description="Bytes that it takes on its server")),
                (
                    "last_seen",
                    fields.DatetimeField(
                        description="UTC, when its server last listed it", auto_now=False, auto_now_add=False
                    ),
                ),
                (
                    "created_at",
                    fields.DatetimeField(description="UTC, when it was first seen", auto_now=False, auto_now_add=True),
                ),
                ("updated_at", fields.DatetimeField(description="UTC", auto_now=True, auto_now_add=False)),
            ],
            options={"table": "image", "app": "hostler", "pk_attr": "id", "table_description": "Base images"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="StreamTicket",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("ticket_hash", fields.CharField(description="SHA-256 of the ticket, in hexadecimal", max_length=64)),
                (
                    "user",
                    fields.ForeignKeyField(
                        "hostler.User",
                        source_field="user_id",
                        description="Whom it lets in",
                        db_constraint=True,
                        to_field="id",
                        related_name="stream_tickets",
                        on_delete=OnDelete.CASCADE,
                    ),
                ),
                (
                    "permissions",
                    fields.JSONField(
                        description="List of read, write and admin: those of the credential that it was asked for with",
                        encoder=functools.partial(dumps, separators=(",", ":")),
                        decoder=loads,
                    ),
                ),
                (
                    "session",
                    fields.CharField(description="The session that asked for it, or which API token", max_length=32),
                ),
                ("epoch", fields.IntField(description="The user's session_epoch when it was made")),
                ("expires_at", fields.DatetimeField(description="UTC", auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "stream_ticket",
                "app": "hostler",
                "pk_attr": "id",
                "table_description": "Single-use tickets of streams",
            },
            bases=["Model"],
        ),
        ops.AddField(
            model_name="Machine",
            name="network_name",
            field=fields.CharField(null=True, description="The first NIC's libvirt network", max_length=255),
        ),
    ]
