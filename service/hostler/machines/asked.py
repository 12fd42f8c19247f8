# SPDX-License-Identifier: GPL-3.0-or-later
"""How a write of a VM is asked for, beside what: by whom, whether for real, and whether its client waits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

from fastapi import Depends, Query, Request

from hostler.dispatch import Action
from hostler.entity_tag import IfMatch, IfMatchOf
from hostler.errors import PreconditionFailed
from hostler.jobs.idempotency import Attempt, IdempotencyKeyOf
from hostler.machines.models import Machine
from hostler.machines.version import tag_of
from hostler.permission import CALLER, Caller
from hostler.preference import NO_PREFERENCE, Preference, PreferenceOf


@dataclass(frozen=True, slots=True)
class Asked:
    """How a write is asked for. A ``dry_run`` says what would be done, and does nothing."""

    caller: Caller
    preference: Preference = NO_PREFERENCE
    dry_run: bool = False
    if_match: IfMatch | None = None
    key: str | None = None
    """Its ``Idempotency-Key``."""

    def attempt(self, action: Action, vm_id: int, asked_for: Mapping[str, Any]) -> Attempt | None:
        """The attempt that it is at an action on that VM; None as `attempt_at`."""
        return self.attempt_at(action.value, {"vm": vm_id, **asked_for})

    def attempt_at(self, action: str, asked_for: Mapping[str, Any]) -> Attempt | None:
        """The attempt that it is at an action; None without a key, and where nothing is to be done."""
        if self.key is None or self.dry_run:
            return None
        return Attempt.of(self.caller, action, self.key, asked_for)

    def check(self, row: Machine) -> None:
        """Raise `PreconditionFailed` if the VM is not what the client has seen."""
        if self.if_match is not None and not self.if_match.holds(tag_of(row)):
            raise PreconditionFailed(f"VM '{row.name}' was changed meanwhile: get it anew for its ETag")


async def _asked(
    request: Request,
    preference: PreferenceOf,
    dry_run: Annotated[bool, Query(description="Whether to answer what would be done, and do nothing")] = False,
) -> Asked:
    return Asked(request.scope[CALLER], preference, dry_run)


AskedOf = Annotated[Asked, Depends(_asked)]
"""A route's parameter for it."""


async def _asked_under_key(asked: AskedOf, key: IdempotencyKeyOf) -> Asked:
    return replace(asked, key=key)


AskedUnderKey = Annotated[Asked, Depends(_asked_under_key)]
"""The same for a route that heeds ``Idempotency-Key``."""


async def _asked_of_version(asked: AskedUnderKey, if_match: IfMatchOf) -> Asked:
    return replace(asked, if_match=if_match)


AskedOfVersion = Annotated[Asked, Depends(_asked_of_version)]
"""The same for a route that heeds ``If-Match``, too."""
