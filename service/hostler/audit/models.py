# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit, as rows.

Indexes stand in `hostler.database.indexes`, what keeps it append-only in `hostler.database.append_only`.
"""

from __future__ import annotations

from enum import StrEnum

from tortoise import fields
from tortoise.models import Model


class Outcome(StrEnum):
    """What became of what was to be done."""

    ACCEPTED = "accepted"
    """It has begun; another entry says how it ended."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    """Also what was canceled, or gave way to something else: the details say so."""
    DENIED = "denied"


class AuditEntry(Model):
    """One thing that was done, or denied. What it names is written down, not referred to."""

    # given by the chain, not by the database: a sequence leaves gaps where a transaction is rolled back
    id = fields.BigIntField(primary_key=True, generated=False, description="One more than the entry before has")
    at = fields.DatetimeField(description="UTC")
    actor_id = fields.IntField(null=True, description="The user's id, no reference, null for who is no user")
    actor = fields.CharField(max_length=128, description="The user's name, an account of the machine, or hostler")
    auth = fields.CharField(max_length=16, description="session, token, cli, service or none")
    token_prefix = fields.CharField(max_length=16, null=True, description="How the API token begins")
    token_name = fields.CharField(max_length=100, null=True, description="What the API token is called")
    address = fields.CharField(max_length=64, null=True, description="The client's, null where there was no request")
    request_id = fields.CharField(max_length=64, null=True, description="As in the log")
    action = fields.CharField(max_length=64, description="user.create, vm.start, login.failed ...")
    target_kind = fields.CharField(max_length=32, null=True, description="user, server, vm ...")
    target_id = fields.BigIntField(null=True, description="Its id, no reference")
    target_name = fields.CharField(max_length=255, null=True, description="Its name at that time")
    outcome = fields.CharField(max_length=16, description="accepted, succeeded, failed or denied")
    before: fields.JSONField[dict[str, object] | None] = fields.JSONField(
        null=True, description="What was changed, as it was, no secret in it"
    )
    after: fields.JSONField[dict[str, object] | None] = fields.JSONField(
        null=True, description="What was changed, as it is, no secret in it"
    )
    details: fields.JSONField[dict[str, object] | None] = fields.JSONField(
        null=True, description="What else there is to say, no secret in it"
    )
    previous_hash = fields.CharField(max_length=64, description="The hash of the entry before")
    hash = fields.CharField(max_length=64, description="SHA-256 of the entry, in hexadecimal")

    class Meta:
        table = "audit_entry"
        table_description = "The audit, chained by hash"
