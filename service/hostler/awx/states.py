# SPDX-License-Identifier: GPL-3.0-or-later
"""The states of AWX's jobs, and which of them are final."""

from __future__ import annotations

from enum import StrEnum

from hostler.awx.errors import AwxBadAnswer


class AwxState(StrEnum):
    """Where a job stands at AWX."""

    NEW = "new"
    PENDING = "pending"
    """Nobody has looked at it yet, or it waits for another job."""
    WAITING = "waiting"
    """An instance was chosen for it."""
    RUNNING = "running"
    SUCCESSFUL = "successful"
    FAILED = "failed"
    """The playbook failed, or something that the job needs: an update of the project."""
    ERROR = "error"
    """AWX could not run it."""
    CANCELED = "canceled"

    @property
    def is_final(self) -> bool:
        """Whether nothing comes after it."""
        return self in (AwxState.SUCCESSFUL, AwxState.FAILED, AwxState.ERROR, AwxState.CANCELED)


def state_of(status: object) -> AwxState:
    """The state that a job's ``status`` is; raises `AwxBadAnswer`."""
    try:
        return AwxState(str(status))
    except ValueError:
        raise AwxBadAnswer("AWX's answer about a job has a status that is none") from None
