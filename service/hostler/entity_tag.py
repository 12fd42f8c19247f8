# SPDX-License-Identifier: GPL-3.0-or-later
"""``ETag`` and ``If-Match`` (RFC 9110): a change is made only to what its author has seen."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Header, Request

from hostler.errors import FieldProblem, InvalidRequest

_TAG = r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'
_LIST = re.compile(rf"[\s,]*{_TAG}(?:\s*,[\s,]*{_TAG})*[\s,]*")
_HEADER = "If-Match"


def entity_tag(content: Mapping[str, Any]) -> str:
    """The strong tag of ``content``, plain data: the same as long as every value is."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'


@dataclass(frozen=True, slots=True)
class IfMatch:
    """What a client says it has seen: any of ``tags``; with none of them named (``*``), whatever there is."""

    tags: frozenset[str] = frozenset()

    def holds(self, tag: str) -> bool:
        """Whether what is there now, with that tag, is what the client has seen; a weak tag never is."""
        return not self.tags or tag in self.tags


def parse(header: str) -> IfMatch:
    """Read the header; raises `InvalidRequest` where it is neither ``*`` nor a list of quoted tags."""
    if header.strip() == "*":
        return IfMatch()
    if not _LIST.fullmatch(header):
        message = "it must be * or a list of entity tags in double quotes"
        raise InvalidRequest(
            f"The request is not valid: '{_HEADER}': {message}", errors=[FieldProblem(_HEADER, message)]
        )
    return IfMatch(frozenset(re.findall(_TAG, header)))


async def _if_match(
    request: Request,
    _first: Annotated[
        str | None,
        Header(
            alias=_HEADER,
            description="ETags that the VM may have for this to be done, or `*`; 412 if it has another",
            examples=['"2b5a9b1f0c6d4e7f8a9b0c1d2e3f4a5b"'],
            json_schema_extra={"pattern": r'^(\*|(W/)?"[!#-~]*"( *, *(W/)?"[!#-~]*")*)$'},
        ),
    ] = None,
) -> IfMatch | None:
    lines = request.headers.getlist(_HEADER)  # a list may be spread over several
    return parse(", ".join(lines)) if lines else None


IfMatchOf = Annotated[IfMatch | None, Depends(_if_match)]
"""A route's parameter for it; None where the client does not say."""
