# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking at the parts of a credential before they are kept: what can't be used is refused by the name of its field."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from cryptography.x509 import Certificate

from hostler.credentials import ssh_parts, tls_parts
from hostler.credentials.models import CredentialKind
from hostler.credentials.secrets import FILES
from hostler.errors import FieldProblem, InvalidRequest

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Checked:
    """Parts that can be used, as they are to be written into files, and what may be shown of them."""

    parts: Mapping[str, str] = field(repr=False)
    fingerprint: str
    host_keys: list[str] = field(default_factory=list)
    expires_at: datetime | None = None


def checked(kind: CredentialKind, parts: Mapping[str, str]) -> Checked:
    """Check all parts of a credential; raises `InvalidRequest`, which names each wrong one and repeats none."""
    wanted = FILES[kind]
    problems = [FieldProblem(name, "is required") for name in wanted if not parts.get(name, "").strip()]
    problems += [FieldProblem(name, f"is not a part of kind {kind.value}") for name in parts if name not in wanted]
    if problems:
        raise _refused(problems)
    look = _Look(parts)
    found = _ssh(look) if kind is CredentialKind.SSH else _tls(look)
    if found is None:
        raise _refused(look.problems)
    return found


class _Look:
    """A look at each part, which goes on after one that is wrong."""

    def __init__(self, parts: Mapping[str, str]) -> None:
        self._parts = parts
        self.problems: list[FieldProblem] = []

    def at(self, name: str, check: Callable[[str], T]) -> T | None:
        try:
            return check(self._parts[name])
        except ValueError as error:
            self.problems.append(FieldProblem(name, str(error)))
            return None


def _ssh(look: _Look) -> Checked | None:
    key = look.at("private_key", ssh_parts.checked_key)
    known = look.at("known_hosts", ssh_parts.checked_host_keys)
    if key is None or known is None:
        return None
    return Checked({"private_key": key[0], "known_hosts": known[0]}, key[1], known[1])


def _tls(look: _Look) -> Checked | None:
    authority = look.at("ca_certificate", tls_parts.checked_certificates)
    client = look.at("client_certificate", tls_parts.checked_certificates)
    own: Certificate | None = None if client is None else client[1][0]
    key = look.at("client_key", lambda text: tls_parts.checked_key(text, own))
    if authority is None or client is None or key is None:
        return None
    parts = {"ca_certificate": authority[0], "client_certificate": client[0], "client_key": key}
    ends = min(one.not_valid_after_utc for one in (*authority[1], *client[1]))
    return Checked(parts, tls_parts.fingerprint(client[1][0]), expires_at=ends)


def _refused(problems: list[FieldProblem]) -> InvalidRequest:
    named = "; ".join(f"'{problem.field}' {problem.message}" for problem in problems)
    return InvalidRequest(f"The credential can't be used: {named}", code="bad_credential", errors=problems)
