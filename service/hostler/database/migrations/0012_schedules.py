# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done to VMs at a time, or again and again."""

import functools
from json import dumps, loads

from tortoise import fields, migrations
from tortoise.fields.base import OnDelete
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    """Makes a table."""

    dependencies = [("hostler", "0011_watch_leases")]  # noqa: RUF012 - Tortoise reads it from the class

    initial = False

    operations = [  # noqa: RUF012 - Tortoise reads it from the class
        ops.CreateModel(
            name="Schedule",
            fields=[
                (
                    "id",
                    fields.IntField(
                        generated=True, primary_key=True, unique=True, db_index=True, description="Never used again"
                    ),
                ),
                (
                    "uid",
                    fields.CharField(
                        description="Random: no other's snapshots are ever taken for its own", max_length=32
                    ),
                ),
                ("name", fields.CharField(description="Unique", max_length=63)),
                ("description", fields.TextField(default="", description="Free text", unique=False)),
                (
                    "owner",
                    fields.ForeignKeyField(
                        "hostler.User",
                        source_field="owner_id",
                        null=True,
                        description="Who made it or changed it last, and asks for its jobs",
                        db_constraint=True,
                        to_field="id",
                        related_name="schedules",
                        on_delete=OnDelete.SET_NULL,
                    ),
                ),
                (
                    "owner_name",
                    fields.CharField(description="The owner's name, also after the user is deleted", max_length=64),
                ),
                (
                    "at",
                    fields.DatetimeField(
                        null=True, description="UTC, of a one-time schedule", auto_now=False, auto_now_add=False
                    ),
                ),
                ("cron", fields.CharField(null=True, description="Five fields, of one that repeats", max_length=200)),
                (
                    "time_zone",
                    fields.CharField(default="UTC", description="IANA name, in which cron is read", max_length=64),
                ),
                (
                    "do",
                    fields.JSONField(
                        description="As a body of POST /api/vms/actions",
                        encoder=functools.partial(dumps, separators=(",", ":")),
                        decoder=loads,
                    ),
                ),
                (
                    "keep",
                    fields.IntField(null=True, description="How many of its snapshots each VM keeps, null for all"),
                ),
                ("missed", fields.CharField(default="skip", description="skip or run_once", max_length=16)),
                ("grace_seconds", fields.IntField(description="How late a run may begin and not be missed")),
                ("overlap", fields.CharField(default="skip", description="skip or queue", max_length=16)),
                ("paused", fields.BooleanField(default=False, description="A paused one keeps the time that was next")),
                (
                    "paused_reason",
                    fields.TextField(
                        null=True, description="Why the service itself paused it, one sentence", unique=False
                    ),
                ),
                (
                    "next_run_at",
                    fields.DatetimeField(
                        null=True,
                        description="UTC, null when it has run for the last time",
                        auto_now=False,
                        auto_now_add=False,
                    ),
                ),
                (
                    "last_run_at",
                    fields.DatetimeField(
                        null=True, description="UTC, when a job of it was last made", auto_now=False, auto_now_add=False
                    ),
                ),
                ("last_job_id", fields.BigIntField(null=True, description="That job's id, no reference")),
                (
                    "outcome",
                    fields.CharField(
                        null=True,
                        description="begun, missed, overlapped, no_vms or refused: of its last time",
                        max_length=16,
                    ),
                ),
                ("outcome_detail", fields.TextField(null=True, description="More of it, one sentence", unique=False)),
                (
                    "outcome_at",
                    fields.DatetimeField(
                        null=True, description="UTC, when that was settled", auto_now=False, auto_now_add=False
                    ),
                ),
                ("created_at", fields.DatetimeField(description="UTC", auto_now=False, auto_now_add=True)),
                (
                    "updated_at",
                    fields.DatetimeField(
                        description="UTC, of the last change by whoever may change it",
                        auto_now=False,
                        auto_now_add=True,
                    ),
                ),
            ],
            options={"table": "schedule", "app": "hostler", "pk_attr": "id", "table_description": "Schedules"},
            bases=["Model"],
        ),
    ]
