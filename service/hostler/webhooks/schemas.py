# SPDX-License-Identifier: GPL-3.0-or-later
"""The bodies of the webhook routes."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, Field, SecretStr, StrictBool, field_validator

from hostler.bodies import RequestBody, ResponseBody, Timestamp
from hostler.webhooks.address import LONGEST_URL, checked_url
from hostler.webhooks.models import DeliveryState, Webhook, WebhookDelivery
from hostler.webhooks.sending import Answer
from hostler.webhooks.signature import checked_secret
from hostler.webhooks.wanted import PATTERNS

T = TypeVar("T")

LONGEST_OVERLAP_HOURS = 168
_SHOWN_OF_A_BODY = 1024


def _known_once_each(patterns: list[str]) -> list[str]:
    # one sentence for the whole list: a body can have many wrong ones
    if not set(patterns) <= set(PATTERNS):
        raise ValueError(f"each should be one of {', '.join(PATTERNS)}")
    return list(dict.fromkeys(patterns))


def _is_secret(secret: SecretStr) -> SecretStr:
    checked_secret(secret.get_secret_value())
    return secret


Url = Annotated[
    str,
    AfterValidator(checked_url),
    Field(
        description="http:// or https://, without user and fragment; where it may lead says webhook_destinations.",
        max_length=LONGEST_URL,
        examples=["https://receiver.example.com/hostler"],
    ),
]
Pattern = Annotated[str, Field(json_schema_extra={"enum": list(PATTERNS)})]
Kinds = Annotated[
    list[Pattern],
    AfterValidator(_known_once_each),
    Field(description="Only these kinds of events; none for all.", max_length=64, examples=[["vm.*"]]),
]
VmId = Annotated[int | None, Field(description="Only of this VM, its jobs included.", ge=1, le=2**31 - 1, strict=True)]
ServerId = Annotated[
    int | None, Field(description="Only of this server, its VMs and jobs included.", ge=1, le=2**31 - 1, strict=True)
]
Description = Annotated[str, Field(description="Free text.", max_length=1000)]
Enabled = Annotated[
    StrictBool, Field(description="A disabled one keeps its place: it gets what has happened once it is enabled.")
]
Secret = Annotated[
    SecretStr,
    AfterValidator(_is_secret),
    Field(
        description="whsec_ and the base64 of 24 to 64 bytes; one is made where it is left out.",
        max_length=128,
        examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
    ),
]


class WebhookBody(RequestBody):
    """A new webhook. It gets what happens from now on."""

    url: Url
    kinds: Kinds = Field(default=[])
    vm_id: VmId = None
    server_id: ServerId = None
    description: Description = ""
    enabled: Enabled = True
    secret: Secret | None = None


class WebhookChange(RequestBody):
    """What is to be different about a webhook: what is left out stays, null takes a filter away."""

    url: Url | None = None
    kinds: Kinds | None = None
    vm_id: VmId = None
    server_id: ServerId = None
    description: Description | None = None
    enabled: Enabled | None = None

    @field_validator("url", "kinds", "description", "enabled")
    @classmethod
    def _is_something(cls, value: T) -> T:
        if value is None:
            raise ValueError("a webhook can't be without it")
        return value


class Rotation(RequestBody):
    """Another secret. Until the old one's time is over, messages are signed with both."""

    secret: Secret | None = None
    overlap_hours: Annotated[int, Field(ge=0, le=LONGEST_OVERLAP_HOURS, strict=True)] = 24


class Health(StrEnum):
    """How a webhook is."""

    OK = "ok"
    FAILING = "failing"
    DISABLED = "disabled"


class WebhookState(ResponseBody):
    """How far a webhook has come, and what is in its way."""

    health: Health
    reason: str | None = Field(description="One sentence: what was wrong with the last try, or why it is disabled")
    status: int | None = Field(description="HTTP status of the last answer; null where there was none")
    failing_since: Timestamp | None
    tries: int = Field(description="How often the next event was sent in vain")
    next_try_at: Timestamp | None
    delivered_at: Timestamp | None = Field(description="When an event was last delivered")
    last_event_id: int = Field(description="The last event that it is done with; the next one waits or is to come")
    missed: int = Field(description="Events that were forgotten before they could be delivered, in all")
    missed_at: Timestamp | None = Field(description="When it last missed some")


class WebhookShown(ResponseBody):
    """A webhook, without its secret."""

    id: int
    url: str
    kinds: list[str]
    vm_id: int | None
    server_id: int | None
    description: str
    enabled: bool
    old_secret_until: Timestamp | None = Field(description="Until then messages are signed with the old secret, too")
    state: WebhookState
    created_at: Timestamp
    updated_at: Timestamp

    @classmethod
    def of(cls, webhook: Webhook) -> WebhookShown:
        """Show a row."""
        return cls(**_fields(webhook))


class NewWebhook(WebhookShown):
    """A webhook whose secret was just made."""

    secret: str = Field(description="For the receiver, to verify with; it can't be shown again")

    @classmethod
    def with_secret(cls, webhook: Webhook, secret: str) -> NewWebhook:
        """Show a row, and the secret, which is nowhere else to be read."""
        return cls(**_fields(webhook), secret=secret)


def _fields(webhook: Webhook) -> dict[str, Any]:
    state = WebhookState(
        health=Health.DISABLED if not webhook.enabled else Health.FAILING if webhook.failing_since else Health.OK,
        reason=webhook.error if webhook.enabled else webhook.disabled_reason,
        status=webhook.status,
        failing_since=webhook.failing_since,
        tries=webhook.tries,
        next_try_at=webhook.next_try_at,
        delivered_at=webhook.delivered_at,
        last_event_id=webhook.position,
        missed=webhook.missed,
        missed_at=webhook.missed_at,
    )
    own = ("id", "url", "kinds", "vm_id", "server_id", "description", "enabled", "old_secret_until")
    return {name: getattr(webhook, name) for name in (*own, "created_at", "updated_at")} | {"state": state}


class DeliveryShown(ResponseBody):
    """What became of an event at a webhook."""

    id: int
    event_id: int
    kind: str
    event_at: Timestamp
    state: DeliveryState
    tries: int
    status: int | None = Field(description="HTTP status of the last answer; null where there was none")
    error: str | None = Field(description="What was wrong with the last try, in one sentence")
    tried_at: Timestamp = Field(description="When it was last sent")


class DeliveryInFull(DeliveryShown):
    """A delivery with what is sent."""

    message: dict[str, Any] | None = Field(description="The body, of a failed one; of others it is not kept")

    @classmethod
    def of(cls, delivery: WebhookDelivery) -> DeliveryInFull:
        """Show a row."""
        message = json.loads(delivery.body) if delivery.body else None
        return cls(**dict(DeliveryShown.model_validate(delivery)), message=message)


class TestAnswer(ResponseBody):
    """What came back of a test."""

    delivered: bool
    status: int | None = Field(description="HTTP status; null where there was no answer")
    error: str | None = Field(description="What was wrong, in one sentence")
    body: str = Field(description="How the receiver's answer begins; what is not printable is escaped")
    milliseconds: float

    @classmethod
    def of(cls, answer: Answer) -> TestAnswer:
        """Show an answer."""
        text = answer.body[:_SHOWN_OF_A_BODY].decode("utf-8", "backslashreplace")
        return cls(
            delivered=answer.is_delivered,
            status=answer.status,
            error=answer.error,
            body="".join(one if one.isprintable() or one == "\n" else ascii(one)[1:-1] for one in text),
            milliseconds=round(answer.seconds * 1000, 1),
        )
