# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible's side of the service: the one place that knows ansible-runner."""

from hostler.runner.events import (
    LogLine,
    PlaybookEvent,
    PlaybookFailure,
    PlaybookOutcome,
    PlaybookStatus,
    StepFinished,
    StepStarted,
    StepState,
)
from hostler.runner.folder import sweep
from hostler.runner.inventory import LocalHost, SshHost
from hostler.runner.run import PlaybookRun
from hostler.runner.runner import PlaybookRunner
from hostler.runner.text import sentence
from hostler.runner.translate import Translation
from hostler.runner.unsafe import unsafe

__all__ = [
    "LocalHost",
    "LogLine",
    "PlaybookEvent",
    "PlaybookFailure",
    "PlaybookOutcome",
    "PlaybookRun",
    "PlaybookRunner",
    "PlaybookStatus",
    "SshHost",
    "StepFinished",
    "StepStarted",
    "StepState",
    "Translation",
    "sentence",
    "sweep",
    "unsafe",
]
