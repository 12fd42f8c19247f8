# SPDX-License-Identifier: GPL-3.0-or-later
"""The body of the audit's route: an entry in the fields that are hashed, and its hash."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from hostler.audit.entry import FIELDS, moment
from hostler.audit.models import AuditEntry, Outcome
from hostler.audit.origin import Auth
from hostler.bodies import ResponseBody


class AuditEntryShown(ResponseBody):
    """What was done or denied: who, from where, what, on what, before and after."""

    id: int = Field(description="One more than the entry before has")
    at: str = Field(
        description="UTC, always with microseconds, as it is hashed",
        json_schema_extra={"format": "date-time"},
        examples=["2026-01-01T12:00:00.000000Z"],
    )
    actor_id: int | None = Field(description="The user's id; null for who is no user")
    actor: str = Field(description="The user's name, the machine's account of a command, or hostler")
    auth: Auth
    token_prefix: str | None = Field(description="How the API token begins")
    token_name: str | None = Field(description="What the API token is called")
    address: str | None = Field(description="The client's; null where there was no request")
    request_id: str | None
    action: str = Field(examples=["user.create", "vm.start", "permission.denied"])
    target_kind: str | None = Field(examples=["vm"])
    target_id: int | None
    target_name: str | None = Field(description="As it was called then")
    outcome: Outcome
    before: dict[str, Any] | None = Field(description="What was changed, as it was")
    after: dict[str, Any] | None = Field(description="What was changed, as it is since, or is to be")
    details: dict[str, Any] | None
    previous_hash: str = Field(description="The hash of the entry before; zeros for the first")
    hash: str = Field(description="SHA-256 of all other fields: docs/audit.md")

    @classmethod
    def of(cls, row: AuditEntry) -> AuditEntryShown:
        """The entry of a row."""
        plain = {name: getattr(row, name) for name in (*FIELDS, "hash")}
        return cls.model_validate({**plain, "at": moment(row.at)})
