# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs that wait for their turn, and may be carried out by another process; jobs of many VMs."""

from tortoise import fields, migrations
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    """Adds columns."""

    dependencies = [("hostler", "0008_drift")]  # noqa: RUF012 - Tortoise reads it from the class

    initial = False

    operations = [  # noqa: RUF012 - Tortoise reads it from the class
        ops.AddField(
            model_name="Job",
            name="at_once",
            field=fields.IntField(null=True, description="Of a job of many VMs, of how many at a time"),
        ),
        ops.AddField(
            model_name="Job",
            name="stop_after",
            field=fields.IntField(
                null=True, description="Of a job of many VMs, after how many failures no more is begun"
            ),
        ),
        ops.AddField(
            model_name="Job",
            name="sealed",
            field=fields.TextField(
                null=True,
                description="Of a job that waits, its parameters with secrets, as hostler.sealing seals a JSON object",
                unique=False,
            ),
        ),
    ]
