# SPDX-License-Identifier: GPL-3.0-or-later
"""Which uploads may have left something on a server."""

from tortoise import fields, migrations
from tortoise.fields.base import OnDelete
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    """Makes a table."""

    dependencies = [("hostler", "0012_schedules")]  # noqa: RUF012 - Tortoise reads it from the class

    initial = False

    operations = [  # noqa: RUF012 - Tortoise reads it from the class
        ops.CreateModel(
            name="UploadMark",
            fields=[
                ("id", fields.IntField(generated=True, primary_key=True, unique=True, db_index=True)),
                (
                    "server",
                    fields.ForeignKeyField(
                        "hostler.Server",
                        source_field="server_id",
                        db_constraint=True,
                        to_field="id",
                        related_name="upload_marks",
                        on_delete=OnDelete.CASCADE,
                    ),
                ),
                ("job_id", fields.BigIntField(description="The upload, no reference")),
                ("pool", fields.CharField(description="The storage pool", max_length=255)),
                ("name", fields.CharField(description="The image's", max_length=255)),
            ],
            options={
                "table": "upload_mark",
                "app": "hostler",
                "pk_attr": "id",
                "table_description": "Marks of uploads that may be on their servers",
            },
            bases=["Model"],
        ),
    ]
