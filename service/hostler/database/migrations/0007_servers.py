# SPDX-License-Identifier: GPL-3.0-or-later
"""How servers are chosen, drained and reached with credentials, and what is seen of their pools."""

import functools
from json import dumps, loads

from tortoise import fields, migrations
from tortoise.fields.base import OnDelete
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    """Makes a table, and adds columns to servers and jobs."""

    dependencies = [("hostler", "0006_statistics")]  # noqa: RUF012 - Tortoise reads it from the class

    initial = False

    operations = [  # noqa: RUF012 - Tortoise reads it from the class
        ops.CreateModel(
            name="Credential",
            fields=[
                (
                    "id",
                    fields.IntField(
                        generated=True, primary_key=True, unique=True, db_index=True, description="Never used again"
                    ),
                ),
                ("name", fields.CharField(description="Unique", max_length=64)),
                ("kind", fields.CharField(description="ssh or tls", max_length=8)),
                ("description", fields.TextField(default="", description="Free text", unique=False)),
                (
                    "fingerprint",
                    fields.CharField(description="Of the public key, or the client certificate", max_length=128),
                ),
                (
                    "host_keys",
                    fields.JSONField(
                        default=list,
                        description="Fingerprints of the host keys that are expected, of kind ssh",
                        encoder=functools.partial(dumps, separators=(",", ":")),
                        decoder=loads,
                    ),
                ),
                (
                    "expires_at",
                    fields.DatetimeField(
                        null=True,
                        description="UTC, when the first of its certificates ends",
                        auto_now=False,
                        auto_now_add=False,
                    ),
                ),
                (
                    "sealed",
                    fields.TextField(description="Its parts, as hostler.sealing seals a JSON object", unique=False),
                ),
                ("created_at", fields.DatetimeField(description="UTC", auto_now=False, auto_now_add=True)),
                ("updated_at", fields.DatetimeField(description="UTC", auto_now=True, auto_now_add=False)),
            ],
            options={
                "table": "credential",
                "app": "hostler",
                "pk_attr": "id",
                "table_description": "What servers are reached with",
            },
            bases=["Model"],
        ),
        ops.AddField(
            model_name="Job",
            name="placement",
            field=fields.JSONField(
                null=True,
                description="Of a create, which server was chosen and why, null where its client named one",
                encoder=functools.partial(dumps, separators=(",", ":")),
                decoder=loads,
            ),
        ),
        ops.AddField(
            model_name="Server",
            name="cpu_overcommit",
            field=fields.FloatField(
                default=4.0, description="vCPUs that a placement may promise for each logical CPU", db_default=4.0
            ),
        ),
        ops.AddField(
            model_name="Server",
            name="credential",
            field=fields.ForeignKeyField(
                "hostler.Credential",
                source_field="credential_id",
                null=True,
                db_constraint=True,
                to_field="id",
                related_name="servers",
                on_delete=OnDelete.RESTRICT,
            ),
        ),
        ops.AddField(
            model_name="Server",
            name="draining",
            field=fields.BooleanField(
                default=False, description="No new VM is made there, those that are there stay usable", db_default=False
            ),
        ),
        ops.AddField(
            model_name="Server",
            name="memory_overcommit",
            field=fields.FloatField(
                default=1.0, description="MiB that a placement may promise for each MiB of memory", db_default=1.0
            ),
        ),
        ops.AddField(
            model_name="Server",
            name="pools",
            field=fields.JSONField(
                default=list,
                description="Every active storage pool when it was last seen: name, sizes in GiB",
                db_default=[],
                encoder=functools.partial(dumps, separators=(",", ":")),
                decoder=loads,
            ),
        ),
        ops.AddField(
            model_name="Server",
            name="tags",
            field=fields.JSONField(
                default=list,
                description="List of texts, by which a create without a server may choose",
                db_default=[],
                encoder=functools.partial(dumps, separators=(",", ":")),
                decoder=loads,
            ),
        ),
    ]
