# SPDX-License-Identifier: GPL-3.0-or-later
"""Webhooks, how far each has come in the events, and what became of each event, as rows.

Indexes stand in `hostler.database.indexes`.
"""

from __future__ import annotations

from enum import StrEnum

from tortoise import fields
from tortoise.models import Model


class DeliveryState(StrEnum):
    """What became of an event; one that is still tried has no row."""

    DELIVERED = "delivered"
    FAILED = "failed"
    """A dead letter: it is not sent any more, unless somebody asks for it."""


class Webhook(Model):
    """An address that events are sent to, one after another, and how far that has come."""

    id = fields.IntField(primary_key=True, description="Never used again")
    uid = fields.CharField(max_length=32, description="Random: makes the ids of its messages unlike any other's")
    url = fields.CharField(max_length=2048, description="http or https, without user and fragment")
    kinds: fields.JSONField[list[str]] = fields.JSONField(
        default=list, description="Kinds of events that are wanted, or vm.* and the like, empty for all"
    )
    vm_id = fields.IntField(null=True, description="Only events of this VM, no reference")
    server_id = fields.IntField(null=True, description="Only events of this server, no reference")
    description = fields.TextField(default="", description="Free text")
    enabled = fields.BooleanField(default=True, description="A disabled one keeps its place in the events")
    disabled_reason = fields.TextField(null=True, description="Why the service itself disabled it, one sentence")
    revision = fields.IntField(default=1, description="One more with each change by whoever may change it")
    secret = fields.TextField(description="The key of its signatures, sealed")
    old_secret = fields.TextField(null=True, description="The key before, sealed")
    old_secret_until = fields.DatetimeField(null=True, description="UTC, until then the old key signs, too")
    position = fields.BigIntField(description="The id of the last event that it is done with")
    tries = fields.IntField(default=0, description="How often the event after that was sent in vain")
    refusals = fields.IntField(default=0, description="How many of these tries the receiver was there and refused")
    next_try_at = fields.DatetimeField(null=True, description="UTC, when that event is sent again")
    failing_since = fields.DatetimeField(null=True, description="UTC, since when nothing was delivered")
    status = fields.IntField(null=True, description="HTTP status of the last answer, null where there was none")
    error = fields.TextField(null=True, description="What was wrong with the last try, one sentence, null if nothing")
    delivered_at = fields.DatetimeField(null=True, description="UTC, when an event was last delivered")
    missed = fields.BigIntField(default=0, description="Events that were forgotten before it had got them, in all")
    missed_at = fields.DatetimeField(null=True, description="UTC, when it last missed some")
    lease_owner = fields.CharField(max_length=64, null=True, description="Which service is sending")
    lease_expires_at = fields.DatetimeField(null=True, description="UTC, after that another service may")
    created_at = fields.DatetimeField(auto_now_add=True, description="UTC")
    updated_at = fields.DatetimeField(auto_now_add=True, description="UTC, of the last change by whoever may change it")

    class Meta:
        table = "webhook"
        table_description = "Webhooks"


class WebhookDelivery(Model):
    """What became of one event at one webhook."""

    id = fields.BigIntField(primary_key=True, description="Ascending, never used again")
    webhook: fields.ForeignKeyRelation[Webhook] = fields.ForeignKeyField(
        "hostler.Webhook", related_name="deliveries", on_delete=fields.CASCADE
    )
    webhook_id: int
    event_id = fields.BigIntField(description="The event's id, no reference: events are forgotten")
    kind = fields.CharField(max_length=32, description="The event's kind")
    event_at = fields.DatetimeField(description="UTC, when it happened")
    state = fields.CharField(max_length=16, description="delivered or failed")
    tries = fields.IntField(description="How often it was sent")
    status = fields.IntField(null=True, description="HTTP status of the last answer, null where there was none")
    error = fields.TextField(null=True, description="What was wrong with the last try, one sentence")
    body = fields.TextField(null=True, description="What is sent again if somebody asks for it, of a failed one")
    tried_at = fields.DatetimeField(description="UTC, of the last try")

    class Meta:
        table = "webhook_delivery"
        table_description = "Deliveries of events to webhooks"
