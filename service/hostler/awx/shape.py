# SPDX-License-Identifier: GPL-3.0-or-later
"""What AWX's answers have to be like: whoever reads one does so by these, so that a wrong one is an `AwxBadAnswer`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from hostler.awx.errors import AwxBadAnswer


def json_of(content: str | bytes | bytearray) -> object:
    """What a JSON text says; raises ValueError, also for one that is nested too deep to be read."""
    try:
        return json.loads(content)
    except RecursionError:
        raise ValueError("It is nested too deep") from None


def objects_in(answer: Mapping[str, Any], name: str, about: str) -> list[Mapping[str, Any]]:
    """The list of objects that the answer has there."""
    found = answer.get(name)
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise AwxBadAnswer(f"AWX's answer about {about} has no list of them")
    return found


def number_in(answer: Mapping[str, Any], name: str, about: str) -> int:
    """The number that the answer has there."""
    found = answer.get(name)
    if not isinstance(found, int) or isinstance(found, bool):
        raise AwxBadAnswer(f"AWX's answer about {about} has no number as its {name}")
    return found


def text_in(answer: Mapping[str, Any], name: str) -> str:
    """The text that the answer has there; none is an empty one."""
    found = answer.get(name)
    return found if isinstance(found, str) else ""
