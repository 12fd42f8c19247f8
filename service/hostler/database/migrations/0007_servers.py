# SPDX-License-Identifier: GPL-3.0-or-later
"""How servers are chosen and drained, and what is seen of their pools."""

import functools
from json import dumps, loads

from tortoise import fields, migrations
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    """Adds columns to servers and jobs."""

    dependencies = [("hostler", "0004_search")]  # noqa: RUF012 - Tortoise reads it from the class

    initial = False

    operations = [  # noqa: RUF012 - Tortoise reads it from the class
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
