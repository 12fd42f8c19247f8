# SPDX-License-Identifier: GPL-3.0-or-later
"""What the audit has of a webhook: no secret, which at some receivers is the URL's path or query."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import urlsplit

from hostler.audit.record import Target
from hostler.webhooks.models import Webhook


def target_of(webhook: Webhook) -> Target:
    """What the audit calls a webhook."""
    return Target("webhook", webhook.id, _shortened(webhook.url))


def audited(fields: Mapping[str, Any], names: Collection[str] | None = None) -> dict[str, Any]:
    """What the audit has of these fields, of all or of those that are named."""
    chosen = {name: value for name, value in fields.items() if names is None or name in names}
    return {name: _shortened(value) if name == "url" else value for name, value in chosen.items()}


def _shortened(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}/…"
