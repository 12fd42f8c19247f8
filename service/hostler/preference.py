# SPDX-License-Identifier: GPL-3.0-or-later
"""``Prefer`` (RFC 7240): whether a client would rather not wait for a write."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Header, Request

_HEADER = "Prefer"

_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_WORD = rf'{_NAME}|"(?:[^"\\]|\\.)*"'
_PREFERENCE = re.compile(rf"\s*({_NAME})(?:\s*=\s*({_WORD})?)?((?:\s*;\s*(?:{_NAME}(?:\s*=\s*(?:{_WORD})?)?)?)*)\s*")

RESPOND_ASYNC = "respond-async"


@dataclass(frozen=True, slots=True)
class Preference:
    """What the client prefers. ``wait`` is how many seconds it would wait all the same, before it takes a 202."""

    respond_async: bool = False
    wait: int = 0


NO_PREFERENCE = Preference()


def parse(header: str) -> Preference:
    """Read the header. What it says beside ``respond-async`` and ``wait``, or malformed, is no preference of ours."""
    given: dict[str, str] = {}
    for name, value in _preferences(header):
        given.setdefault(name.lower(), value)  # of two the first counts
    wait = given.get("wait", "")
    return Preference(
        respond_async=given.get(RESPOND_ASYNC) == "",
        wait=int(wait) if wait.isascii() and wait.isdigit() and len(wait) < 10 else 0,
    )


def _preferences(header: str) -> Iterator[tuple[str, str]]:
    position = 0
    while position < len(header):
        found = _PREFERENCE.match(header, position)
        # a comma in quotes belongs to its preference; what can't be read goes up to the next comma
        end = position if found is None else found.end()
        if found is not None and (end == len(header) or header[end] == ","):
            yield found[1], (found[2] or "").strip('"')
        else:
            end = header.find(",", position)
            if end < 0:
                return
        position = end + 1


async def _preference(
    request: Request,
    _first: Annotated[
        str | None,
        Header(
            alias=_HEADER,
            description="`respond-async`: answer 202 with the job at once, or with `wait=5` beside it after 5 s",
            examples=[RESPOND_ASYNC],
        ),
    ] = None,
) -> Preference:
    return parse(", ".join(request.headers.getlist(_HEADER)))  # a list may be spread over several


PreferenceOf = Annotated[Preference, Depends(_preference)]
"""A route's parameter for it."""
