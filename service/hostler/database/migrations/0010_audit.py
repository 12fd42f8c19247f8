# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit."""

import functools
from json import dumps, loads

from tortoise import fields, migrations
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    """Makes a table."""

    dependencies = [("hostler", "0009_queue")]  # noqa: RUF012 - Tortoise reads it from the class

    initial = False

    operations = [  # noqa: RUF012 - Tortoise reads it from the class
        ops.CreateModel(
            name="AuditEntry",
            fields=[
                (
                    "id",
                    fields.BigIntField(
                        generated=False,
                        primary_key=True,
                        unique=True,
                        db_index=True,
                        description="One more than the entry before has",
                    ),
                ),
                ("at", fields.DatetimeField(description="UTC", auto_now=False, auto_now_add=False)),
                (
                    "actor_id",
                    fields.IntField(null=True, description="The user's id, no reference, null for who is no user"),
                ),
                (
                    "actor",
                    fields.CharField(
                        description="The user's name, an account of the machine, or hostler", max_length=128
                    ),
                ),
                ("auth", fields.CharField(description="session, token, cli, service or none", max_length=16)),
                ("token_prefix", fields.CharField(null=True, description="How the API token begins", max_length=16)),
                ("token_name", fields.CharField(null=True, description="What the API token is called", max_length=100)),
                (
                    "address",
                    fields.CharField(
                        null=True, description="The client's, null where there was no request", max_length=64
                    ),
                ),
                ("request_id", fields.CharField(null=True, description="As in the log", max_length=64)),
                ("action", fields.CharField(description="user.create, vm.start, login.failed ...", max_length=64)),
                ("target_kind", fields.CharField(null=True, description="user, server, vm ...", max_length=32)),
                ("target_id", fields.BigIntField(null=True, description="Its id, no reference")),
                ("target_name", fields.CharField(null=True, description="Its name at that time", max_length=255)),
                ("outcome", fields.CharField(description="accepted, succeeded, failed or denied", max_length=16)),
                (
                    "before",
                    fields.JSONField(
                        null=True,
                        description="What was changed, as it was, no secret in it",
                        encoder=functools.partial(dumps, separators=(",", ":")),
                        decoder=loads,
                    ),
                ),
                (
                    "after",
                    fields.JSONField(
                        null=True,
                        description="What was changed, as it is, no secret in it",
                        encoder=functools.partial(dumps, separators=(",", ":")),
                        decoder=loads,
                    ),
                ),
                (
                    "details",
                    fields.JSONField(
                        null=True,
                        description="What else there is to say, no secret in it",
                        encoder=functools.partial(dumps, separators=(",", ":")),
                        decoder=loads,
                    ),
                ),
                ("previous_hash", fields.CharField(description="The hash of the entry before", max_length=64)),
                ("hash", fields.CharField(description="SHA-256 of the entry, in hexadecimal", max_length=64)),
            ],
            options={
                "table": "audit_entry",
                "app": "hostler",
                "pk_attr": "id",
                "table_description": "The audit, chained by hash",
            },
            bases=["Model"],
        ),
    ]
