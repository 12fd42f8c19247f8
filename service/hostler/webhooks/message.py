# SPDX-License-Identifier: GPL-3.0-or-later
"""What is sent: the body of an event, and the id by which a receiver knows one that it has got before."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from hostler.bodies import zulu
from hostler.events.models import Event
from hostler.webhooks.models import Webhook, WebhookDelivery

PING = "ping"
"""The type of a message that is only to see whether messages arrive."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message, the same however often it is sent."""

    id: str
    body: bytes

    @classmethod
    def of(cls, webhook: Webhook, event: Event) -> Message:
        """The message of an event."""
        ids = {"id": event.id, "vm_id": event.vm_id, "server_id": event.server_id, "job_id": event.job_id}
        return cls(_id(webhook, event.id), _body(event.kind, event.at, ids, event.data))

    @classmethod
    def again(cls, webhook: Webhook, delivery: WebhookDelivery) -> Message:
        """The message of a dead letter, as it was."""
        return cls(_id(webhook, delivery.event_id), (delivery.body or "").encode())

    @classmethod
    def ping(cls, webhook: Webhook) -> Message:
        """A message of no event."""
        body = _body(PING, datetime.now(UTC), {}, {"webhook_id": webhook.id})
        return cls(f"msg_{webhook.uid}_ping_{secrets.token_hex(8)}", body)


def _id(webhook: Webhook, event_id: int) -> str:
    return f"msg_{webhook.uid}_{event_id}"


def _body(kind: str, at: datetime, ids: Mapping[str, int | None], data: Mapping[str, Any]) -> bytes:
    # type, timestamp and data are the specification's
    whole = {"type": kind, "timestamp": zulu(at), **ids, "data": data}
    return json.dumps(whole, separators=(",", ":")).encode()
