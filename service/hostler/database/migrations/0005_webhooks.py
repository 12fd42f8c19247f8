# SPDX-License-Identifier: GPL-3.0-or-later
"""Webhooks, and what became of each event at each."""

import functools
from json import dumps, loads

from tortoise import fields, migrations
from tortoise.fields.base import OnDelete
from tortoise.migrations import operations as ops


class Migration(migrations.Migration):
    """Makes two tables."""

    dependencies = [("hostler", "0004_search")]  # noqa: RUF012 - Tortoise reads it from the class

    initial = False

    operations = [  # noqa: RUF012 - Tortoise reads it from the class
        ops.CreateModel(
            name="Webhook",
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
                        description="Random: makes the ids of its messages unlike any other's", max_length=32
                    ),
                ),
                ("url", fields.CharField(description="http or https, without user and fragment", max_length=2048)),
                (
                    "kinds",
                    fields.JSONField(
                        default=list,
                        description="Kinds of events that are wanted, or vm.* and the like, empty for all",
                        encoder=functools.partial(dumps, separators=(",", ":")),
                        decoder=loads,
                    ),
                ),
                ("vm_id", fields.IntField(null=True, description="Only events of this VM, no reference")),
                ("server_id", fields.IntField(null=True, description="Only events of this server, no reference")),
                ("description", fields.TextField(default="", description="Free text", unique=False)),
                (
                    "enabled",
                    fields.BooleanField(default=True, description="A disabled one keeps its place in the events"),
                ),
                (
                    "disabled_reason",
                    fields.TextField(
                        null=True, description="Why the service itself disabled it, one sentence", unique=False
                    ),
                ),
                (
                    "revision",
                    fields.IntField(default=1, description="One more with each change by whoever may change it"),
                ),
                ("secret", fields.TextField(description="The key of its signatures, sealed", unique=False)),
                ("old_secret", fields.TextField(null=True, description="The key before, sealed", unique=False)),
                (
                    "old_secret_until",
                    fields.DatetimeField(
                        null=True,
                        description="UTC, until then the old key signs, too",
                        auto_now=False,
                        auto_now_add=False,
                    ),
                ),
                ("position", fields.BigIntField(description="The id of the last event that it is done with")),
                ("tries", fields.IntField(default=0, description="How often the event after that was sent in vain")),
                (
                    "refusals",
                    fields.IntField(
                        default=0, description="How many of these tries the receiver was there and refused"
                    ),
                ),
                (
                    "next_try_at",
                    fields.DatetimeField(
                        null=True, description="UTC, when that event is sent again", auto_now=False, auto_now_add=False
                    ),
                ),
                (
                    "failing_since",
                    fields.DatetimeField(
                        null=True,
                        description="UTC, since when nothing was delivered",
                        auto_now=False,
                        auto_now_add=False,
                    ),
                ),
                (
                    "status",
                    fields.IntField(null=True, description="HTTP status of the last answer, null where there was none"),
                ),
                (
                    "error",
                    fields.TextField(
                        null=True,
                        description="What was wrong with the last try, one sentence, null if nothing",
                        unique=False,
                    ),
                ),
                (
                    "delivered_at",
                    fields.DatetimeField(
                        null=True,
                        description="UTC, when an event was last delivered",
                        auto_now=False,
                        auto_now_add=False,
                    ),
                ),
                (
                    "missed",
                    fields.BigIntField(
                        default=0, description="Events that were forgotten before it had got them, in all"
                    ),
                ),
                (
                    "missed_at",
                    fields.DatetimeField(
                        null=True, description="UTC, when it last missed some", auto_now=False, auto_now_add=False
                    ),
                ),
                ("lease_owner", fields.CharField(null=True, description="Which service is sending", max_length=64)),
                (
                    "lease_expires_at",
                    fields.DatetimeField(
                        null=True, description="UTC, after that another service may", auto_now=False, auto_now_add=False
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
            options={"table": "webhook", "app": "hostler", "pk_attr": "id", "table_description": "Webhooks"},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="WebhookDelivery",
            fields=[
                (
                    "id",
                    fields.BigIntField(
                        generated=True,
                        primary_key=True,
                        unique=True,
                        db_index=True,
                        description="Ascending, never used again",
                    ),
                ),
                (
                    "webhook",
                    fields.ForeignKeyField(
                        "hostler.Webhook",
                        source_field="webhook_id",
                        db_constraint=True,
                        to_field="id",
                        related_name="deliveries",
                        on_delete=OnDelete.CASCADE,
                    ),
                ),
                ("event_id", fields.BigIntField(description="The event's id, no reference: events are forgotten")),
                ("kind", fields.CharField(description="The event's kind", max_length=32)),
                (
                    "event_at",
                    fields.DatetimeField(description="UTC, when it happened", auto_now=False, auto_now_add=False),
                ),
                ("state", fields.CharField(description="delivered or failed", max_length=16)),
                ("tries", fields.IntField(description="How often it was sent")),
                (
                    "status",
                    fields.IntField(null=True, description="HTTP status of the last answer, null where there was none"),
                ),
                (
                    "error",
                    fields.TextField(
                        null=True, description="What was wrong with the last try, one sentence", unique=False
                    ),
                ),
                (
                    "body",
                    fields.TextField(
                        null=True,
                        description="What is sent again if somebody asks for it, of a failed one",
                        unique=False,
                    ),
                ),
                (
                    "tried_at",
                    fields.DatetimeField(description="UTC, of the last try", auto_now=False, auto_now_add=False),
                ),
            ],
            options={
                "table": "webhook_delivery",
                "app": "hostler",
                "pk_attr": "id",
                "table_description": "Deliveries of events to webhooks",
            },
            bases=["Model"],
        ),
    ]
