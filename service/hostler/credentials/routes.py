# SPDX-License-Identifier: GPL-3.0-or-later
"""``/api/credentials``: what servers are reached with. For administrators."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path

from hostler.bodies import Done
from hostler.credentials import actions
from hostler.credentials.models import Credential, CredentialKind
from hostler.credentials.schemas import CredentialBody, CredentialChange, CredentialShown
from hostler.engine import EngineOf
from hostler.paging import Page, Paging, fetch_page
from hostler.permission import Caller, Requires
from hostler.routing import Router

router = Router(prefix="/api/credentials", tags=["credentials"])

Admin = Annotated[Caller, Requires("admin")]


async def _credential(
    credential_id: Annotated[int, Path(description="The credential's id", ge=1, le=2**31 - 1)],
) -> Credential:
    credential = await Credential.get_or_none(id=credential_id)
    if credential is None:
        raise actions.not_found(credential_id)
    return credential


CredentialOf = Annotated[Credential, Depends(_credential)]


@router.get("", summary="List credentials")
async def list_credentials(caller: Admin, paging: Paging) -> Page[CredentialShown]:
    """Credentials in the order of their ids, without their secrets."""
    found, total = await fetch_page(Credential.all(), paging)
    return Page.of(await actions.shown(found), total, paging)


@router.post("", status_code=201, summary="Add a credential")
async def add_credential(caller: Admin, engine: EngineOf, body: CredentialBody) -> CredentialShown:
    """Keep a credential, sealed; its parts are looked at first."""
    kind = CredentialKind(body.kind)
    return await _shown(await actions.add(engine.credentials, body.name, kind, body.parts, body.description))


@router.get("/{credential_id}", summary="Show a credential")
async def show_credential(caller: Admin, credential: CredentialOf) -> CredentialShown:
    """One credential, without its secrets."""
    return await _shown(credential)


@router.put("/{credential_id}", summary="Change a credential")
async def change_credential(
    caller: Admin, engine: EngineOf, credential: CredentialOf, body: CredentialChange
) -> CredentialShown:
    """Change what the body names; the next connection to each of its servers is made with it."""
    fields = body.model_dump(exclude_unset=True, include={"name", "description"})
    return await _shown(await actions.change(engine.credentials, credential, fields, body.parts))


@router.delete("/{credential_id}", summary="Remove a credential")
async def remove_credential(caller: Admin, credential: CredentialOf) -> Done:
    """Forget a credential that no server is reached with."""
    await actions.remove(credential)
    return Done(message=f"Credential '{credential.name}' removed")


async def _shown(credential: Credential) -> CredentialShown:
    (found,) = await actions.shown([credential])
    return found
