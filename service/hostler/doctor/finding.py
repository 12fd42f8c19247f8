# SPDX-License-Identifier: GPL-3.0-or-later
"""What a check has found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How good or bad it is."""

    OK = "ok"
    WARNING = "warning"
    """It works, and may not for long, or not as somebody thinks."""
    FAILED = "failed"
    """Something does not work, or will not when it is needed."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing, in one sentence without a stop, and how to mend it where it is not as it should be."""

    check: str
    level: Level
    message: str
    remedy: str | None = None


def ok(check: str, message: str) -> Finding:
    """It is as it should be."""
    return Finding(check, Level.OK, message)


def warning(check: str, message: str, remedy: str) -> Finding:
    """It should be looked at."""
    return Finding(check, Level.WARNING, message, remedy)


def failed(check: str, message: str, remedy: str) -> Finding:
    """It has to be mended."""
    return Finding(check, Level.FAILED, message, remedy)
