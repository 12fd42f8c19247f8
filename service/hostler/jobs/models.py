# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs, their steps and their log, as rows.

A job outlives its VM, its server and the user who asked: what it names is written down, not referred to. That at
most one job of a VM is running, and that an idempotency key means one job, is held by partial unique indexes
(`hostler.database.indexes`: ``vm_running_job``, ``job_idempotency``).
"""

from __future__ import annotations

from enum import StrEnum

from tortoise import fields
from tortoise.models import Model

from hostler.accounts.models import User


class JobState(StrEnum):
    """Where a job stands; the last three are final."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"


class Executor(StrEnum):
    """Who carries a job out."""

    DIRECT = "direct"
    """The core, in a thread of the host's pool."""
    PLAYBOOK = "playbook"
    """ansible-runner."""
    AWX = "awx"
    """A job template of an AWX controller."""


class StepState(StrEnum):
    """Where a step stands; the last three are final."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"


class Job(Model):
    """One write: who asked for what, on which VM, and what became of it."""

    id = fields.BigIntField(primary_key=True, description="Ascending, never used again")
    action = fields.CharField(max_length=32, description="vm_create, vm_start ...: the playbook's name, too")
    executor = fields.CharField(max_length=16, description="direct, playbook or awx")
    state = fields.CharField(
        max_length=16, default=JobState.QUEUED.value, description="queued, running, succeeded, failed or canceled"
    )
    progress = fields.IntField(default=0, description="Percent, 0 to 100")
    progress_text = fields.TextField(default="", description="What it is doing, for people")
    actor: fields.ForeignKeyNullableRelation[User] = fields.ForeignKeyField(
        "hostler.User", related_name="jobs", null=True, on_delete=fields.SET_NULL, description="Who asked"
    )
    actor_id: int | None
    actor_name = fields.CharField(max_length=64, default="", description="Who asked, also after the user is deleted")
    vm_id = fields.IntField(null=True, description="The VM's id, no reference")
    vm_uuid = fields.CharField(max_length=36, null=True, description="The VM's UUID")
    vm_name = fields.CharField(max_length=255, null=True, description="The VM's name when it was asked for")
    server_id = fields.IntField(null=True, description="The server's id, no reference")
    parameters: fields.JSONField[dict[str, object]] = fields.JSONField(
        default=dict, description="What was asked for, secrets left out"
    )
    plan: fields.JSONField[list[object] | dict[str, object] | None] = fields.JSONField(
        null=True, description="What the plan said would be done"
    )
    placement: fields.JSONField[dict[str, object] | None] = fields.JSONField(
        null=True, description="Of a create, which server was chosen and why, null where its client named one"
    )
    result: fields.JSONField[dict[str, object] | None] = fields.JSONField(
        null=True, description="What was done, as the verb answers it"
    )
    error_code = fields.CharField(max_length=64, null=True, description="A stable slug, of a failed job")
    error_detail = fields.TextField(null=True, description="One sentence, of a failed job")
    idempotency_key = fields.CharField(max_length=255, null=True, description="The caller's Idempotency-Key")
    request_hash = fields.CharField(
        max_length=64, null=True, description="SHA-256 of the request, to tell a repeat from a new one under the key"
    )
    sealed = fields.TextField(
        null=True,
        description="Of a job that waits, its parameters with secrets, as hostler.sealing seals a JSON object",
    )
    generation = fields.IntField(
        default=0, description="The VM's generation that this job may act for, checked before every step"
    )
    attempt = fields.IntField(default=0, description="How often it was taken up")
    lease_owner = fields.CharField(max_length=128, null=True, description="Which process carries it out")
    lease_expires_at = fields.DatetimeField(null=True, description="UTC, after that another may take it over")
    supersedes_id = fields.BigIntField(null=True, description="The job that this one took the place of")
    parent_id = fields.BigIntField(null=True, description="The job of many VMs that this one is part of")
    at_once = fields.IntField(null=True, description="Of a job of many VMs, of how many at a time")
    stop_after = fields.IntField(
        null=True, description="Of a job of many VMs, after how many failures no more is begun"
    )
    request_id = fields.CharField(max_length=64, null=True, description="The request that asked, as in the log")
    external_id = fields.CharField(max_length=64, null=True, description="The executor's own id, e.g. of AWX")
    cancel_requested_at = fields.DatetimeField(null=True, description="UTC")
    created_at = fields.DatetimeField(auto_now_add=True, description="UTC")
    started_at = fields.DatetimeField(null=True, description="UTC")
    finished_at = fields.DatetimeField(null=True, description="UTC")

    class Meta:
        table = "job"
        table_description = "Jobs"


class JobStep(Model):
    """One step of a job: observe, act, verify."""

    id = fields.BigIntField(primary_key=True)
    job: fields.ForeignKeyRelation[Job] = fields.ForeignKeyField(
        "hostler.Job", related_name="steps", on_delete=fields.CASCADE
    )
    job_id: int
    position = fields.IntField(description="From 0, unique in its job")
    name = fields.TextField(description="What it does, for people")
    state = fields.CharField(
        max_length=16, default=StepState.PENDING.value, description="pending, running, succeeded, failed or skipped"
    )
    progress = fields.IntField(default=0, description="Percent, 0 to 100")
    changed = fields.BooleanField(null=True, description="Whether it changed anything, null before it ended")
    detail = fields.TextField(null=True, description="What it found or did, or why it failed")
    started_at = fields.DatetimeField(null=True, description="UTC")
    finished_at = fields.DatetimeField(null=True, description="UTC")

    class Meta:
        table = "job_step"
        table_description = "Steps of jobs"


class JobLog(Model):
    """One line of a job's log; lines are read in the order of their ids."""

    id = fields.BigIntField(primary_key=True)
    job: fields.ForeignKeyRelation[Job] = fields.ForeignKeyField(
        "hostler.Job", related_name="log", on_delete=fields.CASCADE
    )
    job_id: int
    at = fields.DatetimeField(description="UTC")
    stream = fields.CharField(max_length=16, description="stdout, stderr, or step")
    line = fields.TextField(description="Without its line end, secrets left out")

    class Meta:
        table = "job_log"
        table_description = "Log lines of jobs"
