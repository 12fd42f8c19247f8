# SPDX-License-Identifier: GPL-3.0-or-later
"""What a playbook tells, as steps and lines of its job, wherever it runs."""

from __future__ import annotations

from hostler.jobs.models import StepState
from hostler.jobs.track import JobTrack
from hostler.runner import LogLine, PlaybookEvent, StepFinished, StepStarted
from hostler.runner import StepState as PlaybookStep

_STEP_STATES = {
    PlaybookStep.OK: StepState.SUCCEEDED,
    PlaybookStep.CHANGED: StepState.SUCCEEDED,
    PlaybookStep.FAILED: StepState.FAILED,
    PlaybookStep.SKIPPED: StepState.SKIPPED,
}


def note(track: JobTrack, event: PlaybookEvent) -> None:
    """Write down what a playbook tells."""
    if isinstance(event, StepStarted):
        track.step_started(event.name)
    elif isinstance(event, StepFinished):
        track.step_finished(event.name, _STEP_STATES[event.state], changed=event.changed, detail=event.message)
    elif isinstance(event, LogLine):
        track.line(event.text)
