# SPDX-License-Identifier: GPL-3.0-or-later
"""What request and answer bodies have in common: unknown fields are refused, and times are UTC and end in ``Z``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, model_validator

LARGEST_INTEGER = 2**63 - 1
"""The largest integer that a database holds; beyond it SQLite's module raises."""

RowId = Annotated[int, Field(ge=0, le=LARGEST_INTEGER)]
"""The id of a row, in a path or a body; one that is too large for the database is refused as malformed."""


def zulu(moment: datetime) -> str:
    """Return a time as the API writes it: UTC, ISO 8601 with whole seconds or microseconds, ending in ``Z``."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


Timestamp = Annotated[datetime, PlainSerializer(zulu, return_type=str, when_used="json")]
"""A time in an answer."""


def storable(value: Any) -> Any:
    """Return ``value`` unless a text in it, at any depth, can't be stored: one with a NUL or half a surrogate pair.

    JSON can spell both; neither SQLite, PostgreSQL nor XML takes them. Raises ValueError.
    """
    if isinstance(value, str):
        if "\x00" in value or any("\ud800" <= character <= "\udfff" for character in value):
            raise ValueError("a text holds a character that can't be stored")
    elif isinstance(value, dict):
        for name, item in value.items():
            storable(name)
            storable(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            storable(item)
    return value


StorableText = Annotated[str, BeforeValidator(storable)]
"""A text of a form or query that can be stored."""


class RequestBody(BaseModel):
    """A body that a client sends; a field that we don't know is refused by name."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _storable(cls, body: Any) -> Any:
        if isinstance(body, dict):
            for name, value in body.items():
                try:
                    storable(value)
                except ValueError:
                    raise ValueError(f"{name[:80]!a} holds a character that can't be stored") from None
        return body


class ResponseBody(BaseModel):
    """A body that the service answers with, made from a row or from a dictionary."""

    model_config = ConfigDict(from_attributes=True)


class Done(ResponseBody):
    """The answer of an action that has nothing else to show."""

    message: str
