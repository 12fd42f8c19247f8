# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything the service can raise, and what each error of the core becomes over HTTP.

::

    OperatorError               a command or the start can't go on; its message tells the operator what to mend
    ServiceError                carries its HTTP status; one handler (error_answers) turns it into JSON
    ├── Unexpected          500
    ├── BadRequest          400
    ├── Unauthenticated     401
    ├── Forbidden           403
    ├── NotFound            404
    ├── Conflict            409
    ├── PreconditionFailed  412
    ├── TooLarge            413
    ├── InvalidRequest      422  may name each wrong field
    ├── TooManyRequests     429  says when to come again
    ├── Unavailable         503
    └── TimedOut            504

Messages are one English sentence without a final stop, for people; ``code`` is the same for ever, for programs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostlerError, InvalidSpec


class OperatorError(Exception):
    """A command, or the start of the service, can't go on; the message says what is wrong and how to mend it."""


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One wrong field of a request: its dotted path in the body, or its query parameter, and what is wrong."""

    field: str
    message: str


class ServiceError(Exception):
    """What all errors that a client may see are: the answer's status, and what stands in its body and headers."""

    status: ClassVar[int] = 500
    code: str = "error"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        errors: Sequence[FieldProblem] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.code
        self.errors = tuple(errors)
        self.headers = dict(headers or {})


class Unexpected(ServiceError):
    """What nobody expected has happened; the log has it."""

    code = "internal"

    def __init__(self) -> None:
        super().__init__("The service failed unexpectedly; its log has the reason under this request id")


class BadRequest(ServiceError):
    """What was asked for can't be done in the state that things are in."""

    status = 400
    code = "bad_request"


class Unauthenticated(ServiceError):
    """Nobody in particular asks: no credential, or one that is not, or no longer, good."""

    status = 401
    code = "unauthenticated"

    def __init__(self, message: str = "Could not validate credentials", *, code: str | None = None) -> None:
        super().__init__(message, code=code, headers={"WWW-Authenticate": "Bearer"})


class Forbidden(ServiceError):
    """The caller is known and may not do this."""

    status = 403
    code = "forbidden"

    def __init__(self, message: str = "Not enough permissions", *, code: str | None = None) -> None:
        super().__init__(message, code=code)


class NotFound(ServiceError):
    """What the path names is not there."""

    status = 404
    code = "not_found"


class Conflict(ServiceError):
    """A name is taken, or another operation is in progress."""

    status = 409
    code = "conflict"


class PreconditionFailed(ServiceError):
    """The caller's ``If-Match`` is stale."""

    status = 412
    code = "precondition_failed"


class TooLarge(ServiceError):
    """The body is larger than it may be."""

    status = 413
    code = "body_too_large"


class InvalidRequest(ServiceError):
    """The request is malformed; ``errors`` names each wrong field."""

    status = 422
    code = "invalid_request"


class TooManyRequests(ServiceError):
    """Too many attempts; the caller may come again after ``retry_after`` seconds."""

    status = 429
    code = "too_many_requests"

    def __init__(self, message: str, *, retry_after: int) -> None:
        super().__init__(message, headers={"Retry-After": str(retry_after)})


class Unavailable(ServiceError):
    """The service can't do this now: no hypervisor, or no database."""

    status = 503
    code = "unavailable"


class TimedOut(ServiceError):
    """What was waited for did not come in time."""

    status = 504
    code = "timed_out"


STATUS_OF_CODE: Mapping[str, int] = {
    "invalid_spec": 422,
    "not_found": 404,
    "vm_not_found": 404,
    "pool_not_found": 404,
    "image_not_found": 404,
    "volume_not_found": 404,
    "snapshot_not_found": 404,
    "network_not_found": 404,
    "name_taken": 409,
    "wrong_state": 400,
    "protected": 400,
    "not_enough_space": 500,
    "unsupported": 400,
    "guest_timeout": 504,
    "agent_unavailable": 400,
    "superseded": 409,
    "operation_failed": 500,
    "host_unreachable": 503,
    "host_timeout": 503,
}
"""HTTP status of each ``code`` of the core's errors; a test walks the core's tree, so that none is forgotten."""


def status_of(error: HostlerError) -> int:
    """Return the HTTP status that an error of the core becomes; 500 for a code that the table does not name."""
    return STATUS_OF_CODE.get(error.code, 500)


def problems_of(error: HostlerError) -> list[FieldProblem]:
    """Return the wrong fields that an error of the core names."""
    if isinstance(error, InvalidSpec):
        return [FieldProblem(item.field, item.message) for item in error.errors]
    return [FieldProblem(error.field, error.message)] if error.field else []


_KINDS = (
    ServiceError,
    BadRequest,
    NotFound,
    Conflict,
    PreconditionFailed,
    TooLarge,
    InvalidRequest,
    Unavailable,
    TimedOut,
)


def error_of_status(
    status: int, message: str, *, code: str | None = None, errors: Sequence[FieldProblem] = ()
) -> ServiceError:
    """Return the error of that status, for one that is told again; 500 for a status that no operation ends with."""
    kinds = {kind.status: kind for kind in _KINDS}
    return kinds.get(status, ServiceError)(message, code=code, errors=errors)
