# SPDX-License-Identifier: GPL-3.0-or-later
"""Schedules, and what became of the last run of each, as rows. Indexes stand in `hostler.database.indexes`."""

from __future__ import annotations

from enum import StrEnum

from tortoise import fields
from tortoise.models import Model

from hostler.accounts.models import User


class Missed(StrEnum):
    """What becomes of runs whose time passed while no service was there, or while the schedule was paused."""

    SKIP = "skip"
    """They are left out."""
    RUN_ONCE = "run_once"
    """One is made for all of them, as soon as that can be."""


class Overlap(StrEnum):
    """What becomes of a run whose time comes while the last one still goes."""

    SKIP = "skip"
    """It is left out."""
    QUEUE = "queue"
    """Its jobs wait for those of the last one, VM by VM."""


class Outcome(StrEnum):
    """What became of a run when its time had come."""

    BEGUN = "begun"
    """There is a job."""
    MISSED = "missed"
    OVERLAPPED = "overlapped"
    NO_VMS = "no_vms"
    REFUSED = "refused"
    """It could not be, and will not be by itself: the schedule is paused."""


class Schedule(Model):
    """What is to be done, and when; a one-time schedule stays when it has run, with no time that is next."""

    id = fields.IntField(primary_key=True, description="Never used again")
    uid = fields.CharField(max_length=32, description="Random: no other's snapshots are ever taken for its own")
    name = fields.CharField(max_length=63, description="Unique")
    description = fields.TextField(default="", description="Free text")
    owner: fields.ForeignKeyNullableRelation[User] = fields.ForeignKeyField(
        "hostler.User",
        related_name="schedules",
        null=True,
        on_delete=fields.SET_NULL,
        description="Who made it or changed it last, and asks for its jobs",
    )
    owner_id: int | None
    owner_name = fields.CharField(max_length=64, description="The owner's name, also after the user is deleted")
    at = fields.DatetimeField(null=True, description="UTC, of a one-time schedule")
    cron = fields.CharField(max_length=200, null=True, description="Five fields, of one that repeats")
    time_zone = fields.CharField(max_length=64, default="UTC", description="IANA name, in which cron is read")
    do: fields.JSONField[dict[str, object]] = fields.JSONField(description="As a body of POST /api/vms/actions")
    keep = fields.IntField(null=True, description="How many of its snapshots each VM keeps, null for all")
    missed = fields.CharField(max_length=16, default=Missed.SKIP.value, description="skip or run_once")
    grace_seconds = fields.IntField(description="How late a run may begin and not be missed")
    overlap = fields.CharField(max_length=16, default=Overlap.SKIP.value, description="skip or queue")
    paused = fields.BooleanField(default=False, description="A paused one keeps the time that was next")
    paused_reason = fields.TextField(null=True, description="Why the service itself paused it, one sentence")
    next_run_at = fields.DatetimeField(null=True, description="UTC, null when it has run for the last time")
    last_run_at = fields.DatetimeField(null=True, description="UTC, when a job of it was last made")
    last_job_id = fields.BigIntField(null=True, description="That job's id, no reference")
    outcome = fields.CharField(
        max_length=16, null=True, description="begun, missed, overlapped, no_vms or refused: of its last time"
    )
    outcome_detail = fields.TextField(null=True, description="More of it, one sentence")
    outcome_at = fields.DatetimeField(null=True, description="UTC, when that was settled")
    created_at = fields.DatetimeField(auto_now_add=True, description="UTC")
    updated_at = fields.DatetimeField(auto_now_add=True, description="UTC, of the last change by whoever may change it")

    class Meta:
        table = "schedule"
        table_description = "Schedules"

    @property
    def user_id(self) -> int:
        """Whose it is, as `hostler.permission` asks; nobody's where the owner is no more."""
        return self.owner_id or 0

    @property
    def series(self) -> str:
        """The series of the snapshots that it takes."""
        return f"schedule-{self.uid}"
