# SPDX-License-Identifier: GPL-3.0-or-later
"""In which fields a VM differs from what it was asked to be."""

import functools
from json import dumps, loads

from tortoise import fields, migrations
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    """Adds a column."""

    dependencies = [("hostler", "0007_servers")]  # noqa: RUF012 - Tortoise reads it from the class

    initial = False

    operations = [  # noqa: RUF012 - Tortoise reads it from the class
        ops.AddField(
            model_name="Machine",
            name="drift",
            field=fields.JSONField(
                null=True,
                description="In which fields it differs from what was asked, null where in none",
                encoder=functools.partial(dumps, separators=(",", ":")),
                decoder=loads,
            ),
        ),
    ]
