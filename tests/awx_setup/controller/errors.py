# SPDX-License-Identifier: GPL-3.0-or-later
"""What the controller refuses, as its API says it."""

from __future__ import annotations

from typing import Any


class RefusedError(Exception):
    """A request that gets another answer than it asked for: the status and the body of that answer."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(f"{status} {body}")
        self.status = status
        self.body = body


def invalid(**fields: str) -> RefusedError:
    """Answer the refusal of fields, as Django REST framework says it: a list of sentences for each."""
    return RefusedError(400, {name: [why] for name, why in fields.items()})


def refused(status: int, detail: str) -> RefusedError:
    """Answer a refusal that is about no field."""
    return RefusedError(status, {"detail": detail})
