# SPDX-License-Identifier: GPL-3.0-or-later
"""Which events a webhook wants: ``vm.created``, all of ``vm.*``, those of one VM or one server."""

from __future__ import annotations

from collections.abc import Iterable

from tortoise.queryset import QuerySet

from hostler.events.feed import Wanted
from hostler.events.models import Event
from hostler.events.record import Kind
from hostler.webhooks.models import Webhook

_ALL_OF = ".*"

PATTERNS = tuple(dict.fromkeys([kind.value.partition(".")[0] + _ALL_OF for kind in Kind])) + tuple(
    kind.value for kind in Kind
)
"""What may stand in a webhook's kinds."""


def kinds_of(patterns: Iterable[str]) -> list[str]:
    """The kinds that the patterns mean, each once, in order; none for all."""
    chosen = list(patterns)
    return [kind.value for kind in Kind if kind.value in chosen or kind.value.partition(".")[0] + _ALL_OF in chosen]


def wanted_by(webhook: Webhook) -> Wanted:
    """What the webhook wants, to be asked of each event."""
    return Wanted(kinds_of(webhook.kinds), webhook.vm_id, webhook.server_id)


def waiting_for(webhook: Webhook, until: int | None = None) -> QuerySet[Event]:
    """The events that the webhook has still to get, in order; up to the id ``until``, where one is given."""
    query = Event.filter(id__gt=webhook.position).order_by("id")
    if until is not None:
        query = query.filter(id__lte=until)
    if kinds := kinds_of(webhook.kinds):
        query = query.filter(kind__in=kinds)
    if webhook.vm_id is not None:
        query = query.filter(vm_id=webhook.vm_id)
    if webhook.server_id is not None:
        query = query.filter(server_id=webhook.server_id)
    return query
