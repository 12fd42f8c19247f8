# SPDX-License-Identifier: GPL-3.0-or-later
"""``/api/audit``: who did what, and what was denied."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Query
from pydantic import AwareDatetime

from hostler.audit.models import Outcome
from hostler.audit.schemas import AuditEntryShown
from hostler.audit.search import Wanted
from hostler.bodies import LARGEST_INTEGER, StorableText
from hostler.paging import Page, Paging, fetch_page
from hostler.permission import Caller, Requires
from hostler.routing import Router

router = Router(prefix="/api/audit", tags=["audit"])

Admin = Annotated[Caller, Requires("admin")]


@router.get("", summary="List the audit")
async def list_audit(
    caller: Admin,
    paging: Paging,
    actor: Annotated[StorableText | None, Query(description="Only what this user did", max_length=128)] = None,
    action: Annotated[
        StorableText | None, Query(description="Only this action, or user.* and the like", max_length=64)
    ] = None,
    target_kind: Annotated[
        StorableText | None, Query(description="Only what was done to a vm, a user, a server ...", max_length=32)
    ] = None,
    target_id: Annotated[
        int | None, Query(description="Only what was done to what has this id", ge=1, le=LARGEST_INTEGER)
    ] = None,
    outcome: Annotated[Outcome | None, Query(description="Only what ended so")] = None,
    since: Annotated[AwareDatetime | None, Query(description="Only entries from this time on")] = None,
    until: Annotated[AwareDatetime | None, Query(description="Only entries before this time")] = None,
    after_id: Annotated[
        int | None, Query(description="Only entries after this one, for who fetches all", ge=0, le=LARGEST_INTEGER)
    ] = None,
    sort: Annotated[Literal["id", "-id"], Query(description="-id has the newest first")] = "id",
) -> Page[AuditEntryShown]:
    """Entries in the order of their ids, as they are hashed."""
    wanted = Wanted(actor, action, target_kind, target_id, outcome, since, until, after_id)
    found, total = await fetch_page(wanted.query(), paging, sort)
    return Page.of([AuditEntryShown.of(row) for row in found], total, paging)
