# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server's storage pool of new disks has room for."""

from tortoise import fields, migrations
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    """Adds two columns."""

    dependencies = [("hostler", "0002_images_events_tickets")]  # noqa: RUF012 - Tortoise reads it from the class

    initial = False

    operations = [  # noqa: RUF012 - Tortoise reads it from the class
        ops.AddField(
            model_name="Server",
            name="disk_total_gb",
            field=fields.FloatField(null=True, description="GiB, of the storage pool of new disks"),
        ),
        ops.AddField(
            model_name="Server",
            name="disk_free_gb",
            field=fields.FloatField(null=True, description="GiB, when it was last seen"),
        ),
    ]
