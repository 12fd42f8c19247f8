# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs at the stand-in for AWX that run until somebody cancels them, without a host on which they do anything."""

from __future__ import annotations

from tests.service.awx.conftest import Awx


def stays_running(awx: Awx, template: str, mark: str = "of somebody else") -> int:
    """Launch one, with that mark of ours; answers its number."""
    return int(awx.controller.jobs.idle(awx.templates[template], {"hostler_job": mark})["id"])


def status_of(awx: Awx, number: int) -> str:
    """Where it stands there."""
    return str(awx.controller.jobs.jobs[number]["status"])
