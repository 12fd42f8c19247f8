# SPDX-License-Identifier: GPL-3.0-or-later
"""What request and answer bodies have in common: unknown fields are refused, and times are UTC and end in ``Z``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

LARGEST_INTEGER = 2**63 - 1
"""The largest integer that a database holds; beyond it SQLite's module raises."""

RowId = Annotated[int, Field(ge=0, le=LARGEST_INTEGER)]
"""The id of a row, in a path or a body; one that is too large for the database is refused as malformed."""


def zulu(moment: datetime) -> str:
    """Return a time as the API writes it: UTC, ISO 8601 with whole seconds or microseconds, ending in ``Z``."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


Timestamp = Annotated[datetime, PlainSerializer(zulu, return_type=str, when_used="json")]
"""A time in an answer."""


MOST_VALUES = 10_000
"""The most values that a body holds, at any depth; beyond that each could be wrong, and be told of."""

_NOT_STORABLE = re.compile("[\x00\ud800-\udfff]")
_SAYS = "a text holds a character that can't be stored"


def storable(value: Any) -> Any:
    """Return ``value`` unless it is a text that can't be stored: one with a NUL or half a surrogate pair.

    JSON can spell both; neither SQLite, PostgreSQL nor XML takes them. Raises ValueError.
    """
    if isinstance(value, str) and _NOT_STORABLE.search(value):
        raise ValueError(_SAYS)
    return value


def _problems(body: Any) -> Iterator[InitErrorDetails]:
    """What is wrong with a body as such: texts, names of fields among them, that can't be stored; too many values."""
    found: list[tuple[tuple[str | int, ...], Any]] = [((), body)]
    count = 0
    while found:  # no recursion: a stranger says how deep it goes
        path, value = found.pop()
        count += 1
        if count + len(found) > MOST_VALUES:
            yield _problem((), f"it holds more than {MOST_VALUES} values")
            return
        if isinstance(value, str):
            if _NOT_STORABLE.search(value):
                yield _problem(path, _SAYS)
        elif isinstance(value, dict):
            yield from (_problem((*path, name), _SAYS) for name in value if _NOT_STORABLE.search(name))
            found += [((*path, name), item) for name, item in value.items()]
        elif isinstance(value, list):
            found += [((*path, index), item) for index, item in enumerate(value)]


def _problem(path: tuple[str | int, ...], says: str) -> InitErrorDetails:
    # what was sent is not repeated, so it is not handed on either
    return InitErrorDetails(type=PydanticCustomError("not_storable", says), loc=path, input=None)


def wrong(title: str, *fields: str, says: str) -> ValidationError:
    """What a validator of a whole body raises where these fields of it don't fit together."""
    details = [InitErrorDetails(type=PydanticCustomError("unfit", says), loc=(name,), input=None) for name in fields]
    return ValidationError.from_exception_data(title, details)


StorableText = Annotated[str, BeforeValidator(storable)]
"""A text of a form or query that can be stored."""


class RequestBody(BaseModel):
    """A body that a client sends; a field that we don't know is refused by name."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _storable(cls, body: Any) -> Any:
        if isinstance(body, dict):
            problems = list(_problems(body))
            if problems:
                raise ValidationError.from_exception_data(cls.__name__, problems)
        return body


class ResponseBody(BaseModel):
    """A body that the service answers with, made from a row or from a dictionary."""

    model_config = ConfigDict(from_attributes=True)


class Done(ResponseBody):
    """The answer of an action that has nothing else to show."""

    message: str
