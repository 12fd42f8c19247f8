# SPDX-License-Identifier: GPL-3.0-or-later
"""Which services run on the database, and which of them watches which server."""

from tortoise import fields, migrations
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    """Makes two tables."""

    dependencies = [("hostler", "0010_audit")]  # noqa: RUF012 - Tortoise reads it from the class

    initial = False

    operations = [  # noqa: RUF012 - Tortoise reads it from the class
        ops.CreateModel(
            name="HostLease",
            fields=[
                (
                    "server_id",
                    fields.IntField(
                        primary_key=True,
                        generated=False,
                        unique=True,
                        db_index=True,
                        description="The server's id, no reference",
                    ),
                ),
                ("owner", fields.CharField(null=True, description="The service's name, null is free", max_length=128)),
                (
                    "taken_at",
                    fields.DatetimeField(
                        null=True, description="UTC, by the database's clock", auto_now=False, auto_now_add=False
                    ),
                ),
            ],
            options={
                "table": "host_lease",
                "app": "hostler",
                "pk_attr": "server_id",
                "table_description": "Who watches which server",
            },
            bases=["Model"],
        ),
        ops.CreateModel(
            name="ServiceProcess",
            fields=[
                (
                    "name",
                    fields.CharField(
                        primary_key=True,
                        unique=True,
                        db_index=True,
                        description="As in lease_owner of a job",
                        max_length=128,
                    ),
                ),
                ("hostname", fields.CharField(description="The machine that it runs on", max_length=255)),
                ("pid", fields.IntField(description="Its process there")),
                (
                    "started_at",
                    fields.DatetimeField(
                        description="UTC, by the database's clock", auto_now=False, auto_now_add=False
                    ),
                ),
                (
                    "expires_at",
                    fields.DatetimeField(
                        description="UTC, by the database's clock: dead after that unless it says more",
                        auto_now=False,
                        auto_now_add=False,
                    ),
                ),
                ("watches", fields.BooleanField(description="Whether it takes hosts, not while it stops")),
            ],
            options={
                "table": "service_process",
                "app": "hostler",
                "pk_attr": "name",
                "table_description": "Running services",
            },
            bases=["Model"],
        ),
    ]
