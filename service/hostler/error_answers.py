# SPDX-License-Identifier: GPL-3.0-or-later
"""The one place where an error becomes an HTTP answer: ``{"detail": "<one English sentence>", ...}``.

``code``, ``errors`` (``[{"field", "message"}]``) and ``request_id`` stand beside ``detail`` where they are known.
Input is never echoed, since it may be a password; what is unexpected is logged with its stack and becomes a plain
sentence.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import structlog
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from pydantic import Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.routing import compile_path

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostlerError
from hostler.audit.denials import note_denial
from hostler.bodies import ResponseBody
from hostler.counted import counted
from hostler.database.unavailable import DatabaseUnavailable
from hostler.errors import FieldProblem, InvalidRequest, ServiceError, Unexpected, problems_of, status_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fastapi import FastAPI
    from starlette.requests import Request
    from starlette.types import Scope

log = structlog.get_logger(__name__)

REQUEST_ID = "hostler.request_id"
"""Key of the ASGI scope under which the request's id stands."""

_NAMED_AT_MOST = 5
_LISTED_AT_MOST = 100  # a body of 4 MiB can have a million wrong fields, and nobody reads what is wrong with each
_LONGEST_NAME = 80


class ErrorAnswer(ResponseBody):
    """What every error is answered with."""

    class Problem(ResponseBody):
        """One wrong field."""

        field: str = Field(description="Its path in the body, or a parameter", examples=["network_config.type"])
        message: str

    detail: str = Field(description="One English sentence", examples=["VM with ID 999 not found"])
    code: str | None = Field(default=None, description="The same for ever, for programs", examples=["vm_not_found"])
    errors: list[Problem] | None = Field(default=None, description="Each wrong field of the request")
    request_id: str | None = Field(default=None, description="By which the service's log tells more")


RESPONSES: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": ErrorAnswer, "description": "The request can't be done as it was made"},
    "5XX": {"model": ErrorAnswer, "description": "The service, a hypervisor or a guest failed"},
}
"""What OpenAPI says of every route's errors, instead of FastAPI's own shape for 422."""


def answer(
    scope: Scope,
    status: int,
    detail: str,
    *,
    code: str | None = None,
    errors: Sequence[FieldProblem] = (),
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """Return the answer of an error; ``detail`` is one sentence for people, ``code`` a slug for programs."""
    body: dict[str, object] = {"detail": detail}
    if code:
        body["code"] = code
    if errors:
        body["errors"] = [{"field": error.field, "message": error.message} for error in errors[:_LISTED_AT_MOST]]
    if request_id := scope.get(REQUEST_ID):
        body["request_id"] = request_id
    return JSONResponse(body, status_code=status, headers=dict(headers or {}))


def internal_error(scope: Scope) -> JSONResponse:
    """Return the answer of what nobody expected; the caller has logged it under the request's id."""
    error = Unexpected()
    return answer(scope, error.status, error.message, code=error.code)


async def _of_service_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ServiceError)  # noqa: S101 - Starlette's handlers are typed by Exception
    await note_denial(request, error)
    return answer(
        request.scope, error.status, error.message, code=error.code, errors=error.errors, headers=error.headers
    )


def _of_core_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HostlerError)  # noqa: S101 - Starlette's handlers are typed by Exception
    status = status_of(error)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        # where the code was when a host was away tells nobody anything, and a portal may ask of it all night
        where = None if status == HTTPStatus.SERVICE_UNAVAILABLE else error
        log.warning("operation failed", code=error.code, reason=error.message, exc_info=where)
    return answer(request.scope, status, error.message, code=error.code, errors=problems_of(error))


def _of_http_exception(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - Starlette's handlers are typed by Exception
    status, headers = error.status_code, error.headers
    if status == HTTPStatus.BAD_REQUEST:
        # FastAPI's own, for a body that is neither JSON nor a form, or is nested too deeply
        status, code, detail = 422, InvalidRequest.code, "The body of the request can't be read"
    elif status == HTTPStatus.NOT_FOUND:
        code, detail = "not_found", "There is nothing at this path"
    elif status == HTTPStatus.METHOD_NOT_ALLOWED:
        code, detail = "method_not_allowed", f"The method {request.method[:20]} is not allowed at this path"
        headers = {"Allow": ", ".join(sorted(_methods_at(request)))}  # Starlette's has those of one route only
    elif status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        code, detail = "body_too_large", "The body of the request is too large"
    else:
        phrase = HTTPStatus(status).phrase
        code, detail = phrase.lower().replace(" ", "_"), phrase
    return answer(request.scope, status, detail, code=code, headers=headers)


def _methods_at(request: Request) -> set[str]:
    """The methods of all routes that have the request's path."""
    path = request.scope["path"]
    found = (one for one in iter_route_contexts(request.app.routes) if compile_path(one.path or "")[0].match(path))
    return {method for one in found for method in one.methods or ()}


def _of_validation_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - Starlette's handlers are typed by Exception
    problems = [_problem(item) for item in error.errors()]
    return answer(request.scope, 422, _sentence(problems), code=InvalidRequest.code, errors=problems)


def _of_database_unavailable(request: Request, error: Exception) -> JSONResponse:
    log.error("database unavailable", exc_info=error)
    return answer(
        request.scope,
        503,
        "The database of the service is not available",
        code="database_unavailable",
        headers={"Retry-After": "5"},
    )


def _problem(item: Mapping[str, Any]) -> FieldProblem:
    """Turn one of pydantic's errors into ours, without its ``input`` and ``ctx``, for they repeat what was sent."""
    kind, location = item["type"], item["loc"]
    if kind == "json_invalid":
        return FieldProblem("body", f"it is not valid JSON ({item['ctx']['error']} at character {location[-1]})")
    field = _name(location)
    if kind == "missing":
        return FieldProblem(field, "it is required")
    if kind == "extra_forbidden":
        return FieldProblem(field, "there is no such field")
    message = item["msg"].removeprefix("Value error, ").rstrip(".")
    if kind in ("too_long", "too_short") and isinstance(item.get("input"), str):
        # pydantic knows of a text that one of our own functions looks at first only that it has a length
        most = kind == "too_long"
        number = item["ctx"]["max_length" if most else "min_length"]
        message = f"it should have at {'most' if most else 'least'} {counted(number, 'character')}"
    return FieldProblem(field, message[:1].lower() + message[1:])


def _name(location: Sequence[str | int]) -> str:
    """Return ``network_config.type`` for ``("body", "network_config", "type")``; ``body`` for the body itself."""
    parts = [str(part) for part in location[1:]] or [str(location[0])]
    name = "".join(character if character.isprintable() else "?" for character in ".".join(parts))
    return name if len(name) <= _LONGEST_NAME else name[:_LONGEST_NAME] + "…"


def _sentence(problems: Sequence[FieldProblem]) -> str:
    named = [f"'{problem.field}': {problem.message}" for problem in problems[:_NAMED_AT_MOST]]
    more = len(problems) - len(named)
    if more:
        named.append(f"and {more} more")
    return "The request is not valid: " + "; ".join(named)


def install(app: FastAPI) -> None:
    """Make ``app`` answer every error in this shape; what no handler knows is `request_context`'s to answer."""
    app.add_exception_handler(ServiceError, _of_service_error)
    app.add_exception_handler(HostlerError, _of_core_error)
    app.add_exception_handler(HTTPException, _of_http_exception)
    app.add_exception_handler(RequestValidationError, _of_validation_error)
    app.add_exception_handler(DatabaseUnavailable, _of_database_unavailable)
