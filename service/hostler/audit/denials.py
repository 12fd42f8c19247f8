# SPDX-License-Identifier: GPL-3.0-or-later
"""What was refused: who asks with no credential, or a bad one, or may not do what is asked, or guesses passwords.

Whoever is refused has to be able to make the database write, and not without bound. So the first refusal of its kind in
a minute is written at once, and those that are like it are counted, and written as one entry when the minute is over.
Like it is, of a stranger, what comes from the same address (for logins: for the same user), of a user, what asks for
the same route. After `MOST_KINDS` kinds in a minute, for each sort of strangers' refusals and for each user, the
rest are only counted.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Hashable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import structlog
from fastapi import Request
from tortoise.transactions import in_transaction

from hostler.accounts.login import LoginFailed
from hostler.accounts.signing import EXPIRED
from hostler.audit.models import Outcome
from hostler.audit.origin import Origin, origin
from hostler.audit.record import Target, record
from hostler.client_network import one_client
from hostler.database import DatabaseUnavailable
from hostler.errors import Forbidden, ServiceError, TooManyRequests, Unauthenticated
from hostler.metrics.requests import template
from hostler.permission import CredentialRefused

log = structlog.get_logger(__name__)

WINDOW_SECONDS = 60.0
MOST_KINDS = 20
"""How many kinds of refusals are told apart in a minute, of each sort of strangers' and of each user's."""
_LOOK_SECONDS = 5.0
_LONGEST_PATH = 200


@dataclass(frozen=True, slots=True)
class Denial:
    """One refusal. Those of a ``group`` share the bound, those of a ``kind`` are alike."""

    action: str
    group: Hashable
    kind: Hashable
    by: Origin
    target: Target
    details: Mapping[str, Any]


@dataclass(slots=True)
class _Repeated:
    first: Denial
    since: datetime
    more: int = 0


@dataclass(slots=True)
class _Group:
    kinds: dict[Hashable, _Repeated] = field(default_factory=dict)
    others: dict[str, int] = field(default_factory=dict)


class Denials:
    """Counts refusals and writes them down; one a process, as ``app.state.denials``."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = clock()
        self._groups: dict[Hashable, _Group] = {}

    async def note(self, denial: Denial) -> None:
        """Write the refusal down, or count it. An audit that can't be written does not change the refusal."""
        await self.write_if_over()
        group = self._groups.setdefault(denial.group, _Group())
        known = group.kinds.get(denial.kind)
        if known is not None:
            known.more += 1
        elif len(group.kinds) >= MOST_KINDS:
            group.others[denial.action] = group.others.get(denial.action, 0) + 1
        else:
            group.kinds[denial.kind] = _Repeated(denial, datetime.now(UTC))
            await _write([(denial, {})])

    async def write_if_over(self) -> None:
        """Write what was counted, if its minute is over."""
        if self._clock() - self._began >= WINDOW_SECONDS:
            await self.write()

    async def write(self) -> None:
        """Write what was counted, and begin another minute."""
        groups, self._groups, self._began = self._groups, {}, self._clock()
        counted: list[tuple[Denial, dict[str, Any]]] = []
        for group in groups.values():
            for one in group.kinds.values():
                if one.more:
                    counted.append((one.first, {"count": one.more, "since": one.since}))
            for action, number in group.others.items():
                counted.append((_of_others(action, group), {"count": number, "kinds": "others"}))
        if counted:
            await _write(counted)

    @classmethod
    @contextlib.asynccontextmanager
    async def running(cls) -> AsyncIterator[Denials]:
        """Make one, which writes what it has counted every minute in the block, and at its end."""
        denials = cls()
        task = asyncio.create_task(denials._write_for_ever(), name="denials")
        try:
            yield denials
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await denials.write()

    async def _write_for_ever(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            await self.write_if_over()


async def _write(denials: list[tuple[Denial, dict[str, Any]]]) -> None:
    try:
        async with in_transaction():
            for denial, more in denials:
                record(
                    denial.action,
                    Outcome.DENIED,
                    target=denial.target,
                    details={**denial.details, **more},
                    by=denial.by,
                )
    except DatabaseUnavailable as error:
        log.warning("audit.denial_not_written", reason=str(error))
    except Exception:
        log.exception("audit.denial_not_written")


def _of_others(action: str, group: _Group) -> Denial:
    """What stands for those that were only counted: of a user still by that user, of strangers by nobody."""
    first = next(iter(group.kinds.values())).first
    by = Origin(first.by.actor, first.by.auth, first.by.actor_id, first.by.token_prefix, first.by.token_name)
    return Denial(action, None, None, by, Target("service"), {})


async def note_denial(request: Request, error: ServiceError) -> None:
    """Note an error that a request is answered with, if it is a refusal that the audit has."""
    denials: Denials | None = getattr(request.app.state, "denials", None)
    denial = _denial_of(request, error)
    if denials is not None and denial is not None:
        await denials.note(denial)


def _denial_of(request: Request, error: ServiceError) -> Denial | None:
    by = origin()
    client = one_client(by.address or "")
    # a client chooses the method and the path
    route = f"{request.method[:10]} {template(request.scope)}"
    to_route = Target("route", None, route)
    details: dict[str, Any] = {"method": request.method[:10], "path": str(request.scope["path"])[:_LONGEST_PATH]}
    if isinstance(error, Forbidden):
        return Denial("permission.denied", by.actor_id, (by.token_prefix, route), by, to_route, details)
    if isinstance(error, LoginFailed):
        target = Target("user", error.user_id, error.username)
        return Denial("login.failed", "login.failed", (client, error.user_id), by, target, {})
    if isinstance(error, TooManyRequests):
        return Denial("login.throttled", "login.throttled", client, by, to_route, {})
    if isinstance(error, CredentialRefused):
        if error.reason == EXPIRED:
            return None  # every session's everyday: its client fetches the next token
        owner = error.owner
        target = to_route if owner is None else Target("user", owner.user_id, owner.name)
        more = {"token_prefix": owner.token_prefix} if owner is not None and owner.token_prefix else {}
        kind = (client, None if owner is None else (owner.user_id, owner.token_id))
        details |= {"reason": error.reason, **more}
        return Denial("authentication.denied", "authentication.denied", kind, by, target, details)
    if isinstance(error, Unauthenticated):
        return Denial("authentication.denied", "authentication.denied", (client, None), by, to_route, details)
    return None
