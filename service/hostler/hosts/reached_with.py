# SPDX-License-Identifier: GPL-3.0-or-later
"""Which credential a server can be reached with: one that nothing would use is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from hostler.credentials.models import Credential, CredentialKind
from hostler.errors import BadRequest, FieldProblem
from hostler.hosts.models import AnsibleConnection

_OWN = {"command", "keyfile", "pkipath"}  # by which a libvirt URI names keys itself


async def check_credential(server: Mapping[str, Any]) -> None:
    """Raise `BadRequest` for the ``credential_id`` of a server with these fields that is none, or that does nothing."""
    number = server.get("credential_id")
    if number is None:
        return
    credential = await Credential.get_or_none(id=number)
    if credential is None:
        raise _bad(f"Credential with ID {number} not found")
    parts = urlsplit(server["libvirt_uri"])
    by_ssh = server["ansible_connection"] == AnsibleConnection.SSH.value
    if by_ssh and credential.kind == CredentialKind.SSH.value:
        return
    if parts.scheme.partition("+")[2] != credential.kind:
        raise _bad(f"Credential '{credential.name}' is of kind {credential.kind}, and nothing there is reached by that")
    if _OWN & {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)}:
        raise _bad("The libvirt URI names keys of its own, which libvirt would use instead of the credential")


def _bad(message: str) -> BadRequest:
    return BadRequest(message, code="bad_credential", errors=[FieldProblem("credential_id", message)])
