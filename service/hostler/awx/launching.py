# SPDX-License-Identifier: GPL-3.0-or-later
"""Launching a job, once. Where the answer is lost, the job is looked for by its mark; it is never launched again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from hostler.awx.client import AwxRefusedFully, Client
from hostler.awx.errors import (
    AwxBadAnswer,
    AwxError,
    AwxFailed,
    AwxForbidden,
    AwxLaunchUnknown,
    AwxRefused,
    AwxTimeout,
    AwxUnreachable,
    NotSent,
)
from hostler.awx.launch import MARK, SECRETS, Launch
from hostler.awx.shape import json_of, number_in, objects_in, text_in
from hostler.awx.template import Template, ignored_fields

log = structlog.get_logger(__name__)

_LOOK_AGAIN_SECONDS = 1.0
_PAGE = 100
_PAGES = 5

Launched = Callable[[int], Awaitable[None]]
"""Keeps the number of the job at AWX; called before anything else is done about it."""


@dataclass(frozen=True)
class Patience:
    """For how many seconds a job is looked for whose launch was not answered."""

    seconds: float
    """Where AWX answers that it has none."""
    absence: float
    """Where AWX does not answer."""


async def launch_once(
    client: Client, template: Template, launch: Launch, patience: Patience, launched: Launched
) -> int:
    """Launch and answer the number of the job.

    Raises `AwxIgnoredFields` for a job that is there by now, and is to be canceled; `AwxLaunchUnknown` where nobody
    knows; any other `AwxError` where nothing was launched.
    """
    try:
        answer = await client.post(f"job_templates/{template.id}/launch/", {"extra_vars": launch.extra_vars})
        number = _number(answer)
    except AwxRefusedFully as error:
        raise AwxRefused(_what_is_wrong(template, error.body)) from None
    except AwxForbidden:
        raise AwxForbidden(
            f"The user of the service's token may not launch AWX's job template '{template.name}'"
        ) from None
    except (AwxUnreachable, AwxTimeout, AwxFailed, AwxBadAnswer) as error:
        if isinstance(error.__cause__, NotSent):
            raise
        log.warning("awx.launch_unanswered", template=template.id, reason=error.message)
        try:
            found = await find_launched(client, template.id, launch.mark, patience)
        except AwxError:
            found = None
        if found is None:
            raise AwxLaunchUnknown(
                f"AWX's answer to the launch of job template '{template.name}' was lost ({error.message}), and no job "
                f"of it was found; should one appear at AWX, its variable {MARK} is {launch.mark}"
            ) from None
        await launched(found)
        return found
    await launched(number)
    ignored = _ignored(answer)
    if ignored:
        raise ignored_fields(template.name, ignored)
    return number


async def find_launched(client: Client, template_id: int, mark: str, patience: Patience) -> int | None:
    """The number of the template's job with that mark; None where AWX has none.

    A launch that nobody waits for any more may still be on its way at AWX. Raises `AwxError` where AWX does not answer.
    """
    begun = time.monotonic()
    while True:
        try:
            found = await look_for(client, template_id, {mark})
            if found:
                return found[mark]
            if time.monotonic() - begun > patience.seconds:
                return None
        except AwxError as error:
            log.warning("awx.jobs_unread", template=template_id, reason=error.message)
            if time.monotonic() - begun > patience.absence:
                raise
        await asyncio.sleep(_LOOK_AGAIN_SECONDS)


async def look_for(client: Client, template_id: int, marks: Collection[str]) -> Mapping[str, int]:
    """The numbers of the template's jobs with those marks, as far as there are any. Raises `AwxError`."""
    found: dict[str, int] = {}
    async for job in _newest(client, template_id):
        mark = _mark_in(job)
        if isinstance(mark, str) and mark in marks:
            found[mark] = number_in(job, "id", "a job")
        if len(found) == len(marks):
            break
    return found


async def _newest(client: Client, template_id: int) -> AsyncIterator[Mapping[str, Any]]:
    """The template's jobs, the newest first; of old ones nobody asks."""
    for page in range(1, _PAGES + 1):
        answer = await client.get(f"job_templates/{template_id}/jobs/", order_by="-id", page_size=_PAGE, page=page)
        for job in objects_in(answer, "results", "a template's jobs"):
            yield job
        if not answer.get("next"):
            return


def _mark_in(job: Mapping[str, Any]) -> object:
    # AWX refuses to search in extra_vars, so each is looked at
    try:
        variables = json_of(text_in(job, "extra_vars"))
    except ValueError:
        return None
    return variables.get(MARK) if isinstance(variables, dict) else None


def _number(answer: Mapping[str, Any]) -> int:
    return number_in(answer, "job" if "job" in answer else "id", "a launch")


def _ignored(answer: Mapping[str, Any]) -> set[str]:
    """The names of what AWX left out: of variables, theirs. By now the job is there, so no answer is a wrong one."""
    ignored = answer.get("ignored_fields") or {}
    if not isinstance(ignored, dict):
        return {"ignored_fields"}
    names = set(ignored) - {"extra_vars"}
    variables = ignored.get("extra_vars") or {}
    if isinstance(variables, str):
        try:
            variables = json_of(variables)
        except ValueError:
            variables = None
    return names | (set(variables) if isinstance(variables, dict) else {"extra_vars"})


def _what_is_wrong(template: Template, body: Mapping[str, Any]) -> str:
    """AWX's own sentences about answers to a survey, but for those that name a secret, whose value they may have."""
    said = body.get("variables_needed_to_start")
    sentences = [one for one in said if isinstance(one, str)] if isinstance(said, list) else []
    shown = [f"'{secret}' is not taken" if (secret := _secret_in(one)) else one.rstrip(".") for one in sentences]
    if not shown:
        shown = [f"{name} is not as it needs it" for name in sorted(body) if name.isidentifier()]
    words = "; ".join(shown)[:1000] or "no reason given"
    return f"AWX's job template '{template.name}' refused to be launched: {words}"


def _secret_in(sentence: str) -> str | None:
    return next((name for name in SECRETS if name in sentence), None)
