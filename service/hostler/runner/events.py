# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run tells while it goes on, and what it comes to in the end."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

Result = Mapping[str, Any]  # a module's result: JSON data


class StepState(StrEnum):
    """How a step ended."""

    OK = "ok"
    CHANGED = "changed"
    FAILED = "failed"  # also when the playbook goes on after it (ignore_errors, rescue)
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class StepStarted:
    """A task of the playbook begins."""

    name: str


@dataclass(frozen=True, slots=True)
class StepFinished:
    """A task of the playbook has ended, all its loop's items included."""

    name: str
    state: StepState
    changed: bool
    message: str | None  # the module's own words, or what went wrong, on one line
    result: Result = dataclasses.field(repr=False)  # without the module's arguments and Ansible's own keys


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line that Ansible printed, in plain text."""

    text: str


PlaybookEvent = StepStarted | StepFinished | LogLine


class PlaybookStatus(StrEnum):
    """How a run ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"
    TIMEOUT = "timeout"


@dataclass(frozen=True, slots=True)
class PlaybookFailure:
    """Why a run failed."""

    message: str  # one sentence, fit for a client
    step: str | None = None  # the task that failed; None: the playbook did not get that far
    code: str | None = None  # the module's stable slug for what happened
    field: str | None = None  # the parameter that is to blame
    unreachable: bool = False  # the host could not be reached over SSH
    detail: str | None = dataclasses.field(
        default=None, repr=False
    )  # traces and paths: for the service's log, never for a client


@dataclass(frozen=True, slots=True)
class PlaybookOutcome:
    """What a run came to."""

    status: PlaybookStatus
    rc: int | None  # the exit code of ansible-playbook; None: it was never started, or was killed
    failure: PlaybookFailure | None = None  # None: succeeded
    changed: bool = False  # whether any step changed something
    artifacts: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)  # the data of set_stats
    results: Mapping[str, Result] = dataclasses.field(
        default_factory=dict, repr=False
    )  # by step; of two of one name, the later
