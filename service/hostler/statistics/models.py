# SPDX-License-Identifier: GPL-3.0-or-later
"""The last day's figures, as rows. Indexes stand in `hostler.database.indexes`."""

from __future__ import annotations

from tortoise import fields
from tortoise.models import Model


class UsageRound(Model):
    """What a host and its VMs used in a time; a row for all of them, because a row for each would be millions."""

    id = fields.BigIntField(primary_key=True)
    # no reference: rows come in bulk, also of a server that was removed a moment ago, and go after a day
    server_id = fields.IntField(description="Which server, no reference")
    resolution = fields.IntField(description="Over how many seconds it speaks")
    at = fields.BigIntField(description="When these began, seconds since 1970")
    figures = fields.BinaryField(description="By hostler.statistics.round")
    pools: fields.JSONField[dict[str, list[int]]] = fields.JSONField(
        default=dict, description="Bytes that each storage pool holds, and has free"
    )

    class Meta:
        table = "usage_round"
        table_description = "What hosts and VMs used"
