# SPDX-License-Identifier: GPL-3.0-or-later
"""What the audit has of a schedule: what its owner has said of it, and when it runs next."""

from __future__ import annotations

from typing import Any

from hostler.audit.record import Target
from hostler.schedules.models import Schedule

_FIELDS = (
    "name",
    "description",
    "owner_name",
    "at",
    "cron",
    "time_zone",
    "do",
    "keep",
    "missed",
    "grace_seconds",
    "overlap",
    "paused",
    "next_run_at",
)


def target_of(schedule: Schedule) -> Target:
    """What the audit calls a schedule."""
    return Target("schedule", schedule.id, schedule.name)


def audited(schedule: Schedule) -> dict[str, Any]:
    """What the audit has of it."""
    return {name: getattr(schedule, name) for name in _FIELDS}
