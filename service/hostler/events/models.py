# SPDX-License-Identifier: GPL-3.0-or-later
"""What changed, as rows: written in the transaction of the change itself, so that neither is there without the other.

Indexes stand in `hostler.database.indexes`.
"""

from __future__ import annotations

from tortoise import fields
from tortoise.models import Model


class Event(Model):
    """One change. What it names is written down, not referred to: it outlives what it tells of."""

    id = fields.BigIntField(primary_key=True, description="Ascending, never used again: the stream's event id")
    at = fields.DatetimeField(auto_now_add=True, description="UTC")
    kind = fields.CharField(max_length=32, description="vm.changed, job.changed, server.changed ...")
    vm_id = fields.IntField(null=True, description="The VM's id, no reference")
    server_id = fields.IntField(null=True, description="The server's id, no reference")
    job_id = fields.BigIntField(null=True, description="The job's id, no reference")
    data: fields.JSONField[dict[str, object]] = fields.JSONField(
        default=dict, description="What it is now, no secret in it"
    )

    class Meta:
        table = "event"
        table_description = "What changed"
