# SPDX-License-Identifier: GPL-3.0-or-later
"""Who acts at this moment, by what it is known, and from where: bound around a request or a command.

A job that a request began goes on in the request's context, so what it does is still that caller's.
"""

from __future__ import annotations

import contextlib
import os
import pwd
from collections.abc import Iterator
from contextvars import ContextVar, Token
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from hostler.permission import Caller, Credential

_UNSET = 2**32 - 1  # what the kernel says where nobody has logged in


class Auth(StrEnum):
    """By what an actor is known."""

    SESSION = "session"
    """An access token, from a login."""
    TOKEN = "token"  # noqa: S105 - the kind of credential, not one
    """An API token."""
    CLI = "cli"
    """The machine's account that ran the command."""
    SERVICE = "service"
    """The service itself, of its own accord or for whoever has asked before."""
    NONE = "none"
    """A stranger."""


_AUTH = {
    Credential.SESSION: Auth.SESSION,
    Credential.API_TOKEN: Auth.TOKEN,
    Credential.SCHEDULE: Auth.SERVICE,
}


@dataclass(frozen=True, slots=True)
class Origin:
    """Who, by what it is known, and from where."""

    actor: str
    auth: Auth
    actor_id: int | None = None
    token_prefix: str | None = None
    token_name: str | None = None
    address: str | None = None
    request_id: str | None = None

    def by(self, caller: Caller) -> Origin:
        """The same request, now that it is known who makes it; of a schedule's run the service acts for its owner."""
        return replace(
            self,
            actor=caller.name,
            actor_id=caller.user_id,
            auth=_AUTH[caller.credential],
            token_prefix=caller.token_prefix or None,
            token_name=caller.token_name or None,
        )

    def of_user(self, user_id: int, name: str) -> Origin:
        """The same request, made by who has just shown to be this user: by a password, or a refresh token."""
        return replace(self, actor=name, actor_id=user_id, auth=Auth.SESSION)


SERVICE = Origin("hostler", Auth.SERVICE)
"""The service itself."""

_origin: ContextVar[Origin] = ContextVar("hostler_audit_origin", default=SERVICE)


def origin() -> Origin:
    """Who acts now; the service itself, where nobody else was said."""
    return _origin.get()


def set_origin(new: Origin) -> Token[Origin]:
    """Have another act from now on in this task; give what comes back to `reset_origin`."""
    return _origin.set(new)


def reset_origin(token: Token[Origin]) -> None:
    """Have it as it was before."""
    _origin.reset(token)


def set_caller(caller: Caller) -> None:
    """The request of this task is this caller's; whoever has bound the request takes it back."""
    _origin.set(_origin.get().by(caller))


@contextlib.contextmanager
def acting(new: Origin) -> Iterator[None]:
    """Have another act in the block."""
    token = set_origin(new)
    try:
        yield
    finally:
        reset_origin(token)


def stranger(address: str | None, request_id: str) -> Origin:
    """Who makes a request, before anything else is known."""
    return Origin("", Auth.NONE, address=address, request_id=request_id)


def of_command() -> Origin:
    """Whoever runs a command: the process's account, and who had logged in to become that, if the kernel knows it."""
    account, login = os.geteuid(), _login_uid()
    name = _account(account)
    if login is not None and login != account:
        name = f"{name} (login {_account(login)})"
    return Origin(name, Auth.CLI)


def _login_uid() -> int | None:
    # set by PAM at login, and kept over su and sudo; the environment's SUDO_USER is whatever anybody says
    try:
        uid = int(Path("/proc/self/loginuid").read_text("ascii"))
    except (OSError, ValueError):
        return None
    return None if uid == _UNSET else uid


def _account(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
