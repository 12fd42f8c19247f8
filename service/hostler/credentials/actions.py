# SPDX-License-Identifier: GPL-3.0-or-later
"""Adding credentials, changing them, removing them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from tortoise.exceptions import IntegrityError
from tortoise.transactions import in_transaction

from hostler.audit.record import Target, record
from hostler.audit.record import changes as differences
from hostler.credentials.checking import Checked, checked
from hostler.credentials.keeping import Keeper
from hostler.credentials.models import Credential, CredentialKind
from hostler.credentials.schemas import CredentialShown
from hostler.credentials.secrets import FILES
from hostler.errors import Conflict, FieldProblem, NotFound
from hostler.hosts.models import Server
from hostler.sealing import SealBroken


async def add(
    keeper: Keeper, name: str, kind: CredentialKind, parts: Mapping[str, str], description: str = ""
) -> Credential:
    """Check a credential and keep it; raises `InvalidRequest` naming each wrong part, `Conflict` for a taken name."""
    columns = _columns(keeper, checked(kind, parts))
    try:
        async with in_transaction():
            credential = await Credential.create(name=name, kind=kind.value, description=description, **columns)
            record("credential.create", target=_target(credential), after=_audited(credential))
            return credential
    except IntegrityError:
        raise _taken(name) from None


async def change(
    keeper: Keeper, credential: Credential, fields: Mapping[str, str], parts: Mapping[str, str]
) -> Credential:
    """Change what ``fields`` and ``parts`` name; the next connection is made with it. Raises as `add`.

    `Conflict`, too, where parts that are left out can't be opened any more, and `NotFound` for one that was removed
    meanwhile.
    """
    if not fields and not parts:
        return credential
    try:
        async with in_transaction():
            # as it is now: somebody else may have changed another of its parts, which are sealed together
            current = await Credential.filter(id=credential.id).select_for_update().first()
            if current is None:
                raise not_found(credential.id)
            before = _audited(current)
            changes: dict[str, Any] = dict(fields)
            if parts:
                kind = CredentialKind(current.kind)
                changes |= _columns(keeper, checked(kind, {**_known(keeper, current, parts), **parts}))
            current.update_from_dict(changes)
            await current.save(update_fields=[*changes, "updated_at"])
            was, is_now = differences(before, _audited(current))
            details = {"parts_changed": sorted(parts)}
            record("credential.change", target=_target(current), before=was, after=is_now, details=details)
            return current
    except IntegrityError:
        raise _taken(fields["name"]) from None


def not_found(credential_id: int) -> NotFound:
    """The error of a credential that is not there."""
    return NotFound(f"Credential with ID {credential_id} not found", code="credential_not_found")


async def remove(credential: Credential) -> None:
    """Forget a credential; `Conflict` while a server is reached with it."""
    try:
        async with in_transaction():
            await credential.delete()
            record("credential.delete", target=_target(credential), before=_audited(credential))
    except IntegrityError:
        servers = await Server.filter(credential_id=credential.id).order_by("id").values_list("hostname", flat=True)
        named = ", ".join(f"'{name}'" for name in servers[:10])
        raise Conflict(
            f"Credential '{credential.name}' is what {named} {'is' if len(servers) == 1 else 'are'} reached with",
            code="credential_in_use",
        ) from None


async def shown(credentials: Sequence[Credential]) -> list[CredentialShown]:
    """The credentials of these rows, with the servers that use them."""
    servers: defaultdict[int, list[str]] = defaultdict(list)
    ids = [credential.id for credential in credentials]
    users = Server.filter(credential_id__in=ids).order_by("id").values_list("credential_id", "hostname")
    for number, hostname in await users if ids else ():
        servers[number].append(hostname)
    return [CredentialShown.of(credential, servers[credential.id]) for credential in credentials]


def _target(credential: Credential) -> Target:
    return Target("credential", credential.id, credential.name)


def _audited(credential: Credential) -> dict[str, Any]:
    """What the audit has of a credential: what it shows of itself, and none of its parts."""
    return {
        "name": credential.name,
        "kind": credential.kind,
        "description": credential.description,
        "fingerprint": credential.fingerprint,
        "host_keys": list(credential.host_keys),
        "expires_at": credential.expires_at,
    }


def _known(keeper: Keeper, credential: Credential, parts: Mapping[str, str]) -> Mapping[str, str]:
    if set(parts) == set(FILES[CredentialKind(credential.kind)]):
        return {}  # with all of them anew, what an older key has sealed need not be opened
    try:
        return keeper.open(credential).parts
    except SealBroken as error:
        raise Conflict(f"{error}: give all of its parts anew", code="seal_broken") from None


def _columns(keeper: Keeper, found: Checked) -> dict[str, Any]:
    return {
        "sealed": keeper.seal(found.parts),
        "fingerprint": found.fingerprint,
        "host_keys": found.host_keys,
        "expires_at": found.expires_at,
    }


def _taken(name: str) -> Conflict:
    message = f"A credential named '{name}' already exists"
    return Conflict(message, code="name_taken", errors=[FieldProblem("name", message)])
