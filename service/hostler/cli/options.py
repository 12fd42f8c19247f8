# SPDX-License-Identifier: GPL-3.0-or-later
"""What a command's options make: the body that a request would have, checked by the same model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from hostler.cli.table import printable

if TYPE_CHECKING:
    from hostler.bodies import RequestBody

Body = TypeVar("Body", bound="RequestBody")


def body_of(model: type[Body], given: Mapping[str, Any], sentence: str) -> Body:
    """The body; raises OperatorError, which begins with ``sentence`` and names each wrong option."""
    from pydantic import ValidationError

    from hostler.errors import OperatorError

    try:
        return model.model_validate(given)
    except ValidationError as error:
        found = [
            (item["loc"][0], item["msg"].removeprefix("Value error, ")) for item in error.errors(include_input=False)
        ]
        problems = "; ".join(f"{name}: {message[:1].lower()}{message[1:]}" for name, message in found)
        raise OperatorError(f"{sentence}: {printable(problems)}") from None
