# SPDX-License-Identifier: GPL-3.0-or-later
"""What Ansible printed, made fit for a job's log and a client's screen."""

from __future__ import annotations

import re

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-_]")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_LAYERS = re.compile(r"\A(?:(?:Task|Module|Action) failed: )+")
_LONGEST = 1000  # characters of a message, and of a line


def log_lines(printed: str) -> list[str]:
    """Answer the lines of ``printed`` that say something, without colours and control characters.

    From ``Origin:`` on ansible-core shows where in which file of the service a warning or an error arose:
    left out.
    """
    lines = []
    for line in _ESCAPES.sub("", printed).split("\n"):
        text = _CONTROLS.sub("", line).rstrip()
        if text.startswith("Origin: "):
            break
        if text:
            lines.append(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…")
    return lines


def sentence(message: object) -> str | None:
    """Answer a module's ``msg`` on one line, or None if it says nothing."""
    if not isinstance(message, str):
        return None
    text = _LAYERS.sub("", " ".join(_CONTROLS.sub("", _ESCAPES.sub("", message)).split()))
    return (text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…") or None
