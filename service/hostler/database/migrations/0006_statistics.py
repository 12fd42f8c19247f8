# SPDX-License-Identifier: GPL-3.0-or-later
"""What hosts and VMs used in the last day."""

import functools
from json import dumps, loads

from tortoise import fields, migrations
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    """Adds a table."""

    dependencies = [("hostler", "0005_webhooks")]  # noqa: RUF012 - Tortoise reads it from the class

    initial = False

    operations = [  # noqa: RUF012 - Tortoise reads it from the class
        ops.CreateModel(
            name="UsageRound",
            fields=[
                ("id", fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("server_id", fields.IntField(description="Which server, no reference")),
                ("resolution", fields.IntField(description="Over how many seconds it speaks")),
                ("at", fields.BigIntField(description="When these began, seconds since 1970")),
                ("figures", fields.BinaryField(description="By hostler.statistics.round")),
                (
                    "pools",
                    fields.JSONField(
                        description="Bytes that each storage pool holds, and has free",
                        default=dict,
                        encoder=functools.partial(dumps, separators=(",", ":")),
                        decoder=loads,
                    ),
                ),
            ],
            options={
                "table": "usage_round",
                "app": "hostler",
                "pk_attr": "id",
                "table_description": "What hosts and VMs used",
            },
            bases=["Model"],
        ),
    ]
