# SPDX-License-Identifier: GPL-3.0-or-later
"""What a write is sent beyond what it takes: refused by name, never ignored, or a misspelt ``dry_run`` would delete.

A body is checked by its model; here it is the query, and a body where none is taken.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence

from fastapi import Request
from fastapi.dependencies.models import Dependant
from starlette.requests import ClientDisconnect

from hostler.errors import FieldProblem, InvalidRequest

_WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_LONGEST_NAME = 80


def query_parameters(dependant: Dependant) -> frozenset[str]:
    """The names of the query parameters that an endpoint and its dependencies take."""
    mine = {field.alias for field in dependant.query_params}
    return frozenset(mine.union(*(query_parameters(one) for one in dependant.dependencies)))


def refuse_unknown_parameters(request: Request, known: Collection[str]) -> None:
    """Raise `InvalidRequest` for a parameter of a write that is not known, or that is there twice."""
    if request.method not in _WRITES:
        return
    problems = []
    for name in request.query_params:
        if name not in known:
            problems.append(FieldProblem(_shown(name), "there is no such parameter"))
        elif len(request.query_params.getlist(name)) > 1:
            problems.append(FieldProblem(name, "it is given more than once"))
    _refuse(problems)


async def refuse_body(request: Request) -> None:
    """Raise `InvalidRequest` for a body of a write that takes none; one that says nothing (``{}``) passes."""
    if request.method not in _WRITES:
        return
    try:
        content = (await request.body()).strip()
    except ClientDisconnect:
        raise InvalidRequest("The body of the request can't be read") from None
    if not content:
        return
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        body = None
    if isinstance(body, dict):
        _refuse([FieldProblem(_shown(name), "there is no such field") for name in body])
    else:
        _refuse([FieldProblem("body", "this request takes none")])


def _refuse(problems: Sequence[FieldProblem]) -> None:
    if problems:
        named = "; ".join(f"'{problem.field}': {problem.message}" for problem in problems[:5])
        raise InvalidRequest(f"The request is not valid: {named}", errors=problems)


def _shown(name: str) -> str:
    text = "".join(character if character.isprintable() else "?" for character in name)
    return text if len(text) <= _LONGEST_NAME else f"{text[:_LONGEST_NAME]}…"
