# SPDX-License-Identifier: GPL-3.0-or-later
"""``Idempotency-Key``: a request that is made again under its key is answered as the first one was.

The key stands in the job, so it is remembered for as long as the job is (`hostler.jobs.retention`), over restarts and
by every service of the database; each caller has keys of its own. What was refused before there was a job is not
remembered: nothing was done.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Header, Request
from tortoise.exceptions import IntegrityError

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostlerError
from hostler.errors import FieldProblem, InvalidRequest, ServiceError, error_of_status
from hostler.jobs.crew import Crew
from hostler.jobs.models import Job, JobState
from hostler.permission import Caller
from hostler.preference import Preference

_HEADER = "Idempotency-Key"
_CONFLICT = 409


@dataclass(frozen=True, slots=True)
class Attempt:
    """A request under a key; ``request_hash`` tells it from others under the same one."""

    caller: Caller
    action: str
    key: str
    request_hash: str

    @classmethod
    def of(cls, caller: Caller, action: str, key: str, body: Mapping[str, Any]) -> Attempt:
        """The attempt that ``body``, plain data, makes under ``key``."""
        text = json.dumps(body, sort_keys=True, separators=(",", ":"))
        return cls(caller, action, key, hashlib.sha256(text.encode()).hexdigest())

    async def first(self) -> Job | None:
        """The job of the first attempt, None if this is it. Raises `InvalidRequest` if that one had another body."""
        job = await Job.get_or_none(actor_id=self.caller.user_id, action=self.action, idempotency_key=self.key)
        if job is not None and job.request_hash != self.request_hash:
            raise _refused("it was used for a request with another body", code="idempotency_key_reused")
        return job


async def once(
    attempt: Attempt | None,
    crew: Crew,
    preference: Preference,
    begin: Callable[[Attempt | None], Awaitable[Mapping[str, Any]]],
) -> Mapping[str, Any]:
    """The result of ``begin``, or of the request that was made under the same key before; raises what that one did."""
    if attempt is None:
        return await begin(None)
    first = await attempt.first()
    if first is None:
        try:
            return await begin(attempt)
        except (HostlerError, ServiceError, IntegrityError):
            first = await attempt.first()  # the same request, which was quicker, may be what is in the way
            if first is None:
                raise
    return await result_again(first, crew, preference)


async def result_again(first: Job, crew: Crew, preference: Preference) -> Mapping[str, Any]:
    """Wait for the first attempt's job and answer its result, or raise what it failed with; `StillRunning`."""
    job = await crew.wait_for(first, preference)
    if job.state == JobState.SUCCEEDED.value:
        return job.result or {}
    told: Mapping[str, Any] = job.result or {}
    status = told.get("status", _CONFLICT if job.state == JobState.CANCELED.value else 500)
    problems = [FieldProblem(field, message) for field, message in told.get("errors", ())]
    raise error_of_status(status, job.error_detail or "The operation failed", code=job.error_code, errors=problems)


def _refused(message: str, code: str = InvalidRequest.code) -> InvalidRequest:
    problem = FieldProblem(_HEADER, message)
    return InvalidRequest(f"The request is not valid: '{_HEADER}': {message}", code=code, errors=[problem])


async def _key(
    request: Request,
    key: Annotated[
        str | None,
        Header(
            alias=_HEADER,
            description="The same key and body answer as they did first, for as long as the job is kept; the same key "
            "with another body is 422. Each caller has keys of its own",
            max_length=255,
            json_schema_extra={"pattern": "^[!-~]([ -~]*[!-~])?$"},
        ),
    ] = None,
) -> str | None:
    if key is None:
        return None
    if not (key and key.isascii() and key.isprintable()):
        raise _refused("it must be 1 to 255 printable ASCII characters")
    if len(request.headers.getlist(_HEADER)) > 1:
        raise _refused("it is given more than once")
    return key


IdempotencyKeyOf = Annotated[str | None, Depends(_key)]
"""A route's parameter for it; None where the client gives none."""
