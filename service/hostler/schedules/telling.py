# SPDX-License-Identifier: GPL-3.0-or-later
"""Telling of a change of a schedule, in the transaction of the change."""

from __future__ import annotations

from hostler.events.record import Kind, record
from hostler.schedules.models import Schedule
from hostler.schedules.schemas import ScheduleShown


async def tell(kind: Kind, schedule_id: int) -> None:
    """Write an event that shows the schedule as it is in the transaction, of one that is to be deleted as it was."""
    await record(kind, ScheduleShown.of(await Schedule.get(id=schedule_id)))
