# SPDX-License-Identifier: GPL-3.0-or-later
"""From ansible-runner's events to ours, and from all of a run's events to its outcome.

An event of ansible-runner is a dict with ``event`` (its kind), ``stdout`` (what Ansible printed for it) and
``event_data``; the kinds and their data are those of its callback plugin ``awx_display``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hostler.runner.events import (
    LogLine,
    PlaybookEvent,
    PlaybookFailure,
    PlaybookOutcome,
    PlaybookStatus,
    Result,
    StepFinished,
    StepStarted,
    StepState,
)
from hostler.runner.text import log_lines, sentence

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# Arguments may be secret, traces and paths are for the service's log, the rest says what is known already.
_DETAILS = ("reason", "exception", "module_stderr", "module_stdout")
_LEFT_OUT = {"invocation", "failed", "skipped", *_DETAILS}
_FAILURES = {"runner_on_failed", "runner_on_unreachable", "runner_item_on_failed"}
_WITH_PATHS = {"error", "playbook_on_include"}  # what these print within a step names files of the service
_HIDDEN = "The step failed; what it said is hidden, because it may hold secrets."
_UNREADABLE = "The step names a file that can't be read or is no valid Ansible content."
_NO_HOST = "The playbook has no play for this host, so nothing was done."
_STOPPED = {
    PlaybookStatus.CANCELED: "The playbook was canceled.",
    PlaybookStatus.TIMEOUT: "The playbook took too long and was ended.",
}


class Translation:
    """One run's events, translated as they come."""

    def __init__(self) -> None:
        self._failure: PlaybookFailure | None = None
        self._printed_error: str | None = None
        self._printed: list[str] = []  # what Ansible said outside of any step, for the log
        self._ran = False
        self._changed = False
        self._artifacts: Mapping[str, Any] = {}
        self._results: dict[str, Result] = {}

    @property
    def has_failure(self) -> bool:
        """Whether a step has failed that the playbook did not go on after."""
        return self._failure is not None

    def events(self, raw: Mapping[str, Any]) -> Iterator[PlaybookEvent]:
        """Translate one event of ansible-runner into none, one or several of ours."""
        kind, data = raw.get("event"), raw.get("event_data") or {}
        if kind == "playbook_on_task_start":
            yield StepStarted(data["task"])
        if kind in _FAILURES:  # what it prints is the whole result, traces included
            yield LogLine(f"failed: [{data['host']}]: {_message(_failed(data))}")
        elif not data.get("task") and kind != "playbook_on_stats":
            yield from map(LogLine, self._outside_steps(raw.get("stdout", "")))
        elif kind not in _WITH_PATHS:
            yield from map(LogLine, log_lines(raw.get("stdout", "")))
        finished = self._finished(kind, data)
        if finished is not None:
            self._results[finished.name] = finished.result
            self._changed |= finished.changed
            yield finished
        if kind == "playbook_on_stats":
            self._ran = bool(data.get("processed"))
            self._artifacts = data.get("artifact_data") or {}

    def outcome(self, rc: int | None, stopped: PlaybookStatus | None) -> PlaybookOutcome:
        """Answer what the run came to.

        :param stopped: canceled or timeout, if the run was ended before its time.
        """
        failure = None
        status = stopped or (PlaybookStatus.SUCCEEDED if rc == 0 and self._ran else PlaybookStatus.FAILED)
        if stopped:
            failure = PlaybookFailure(_STOPPED[stopped])
        elif status is PlaybookStatus.FAILED:
            failure = self._failure if rc != 0 else None
            failure = failure or self._unstarted(rc)
        return PlaybookOutcome(
            status=status,
            rc=None if stopped else rc,
            failure=failure,
            changed=self._changed,
            artifacts=self._artifacts,
            results=self._results,
        )

    def _finished(self, kind: str | None, data: Mapping[str, Any]) -> StepFinished | None:
        result = data.get("res") or {}
        changed = bool(result.get("changed"))
        if kind == "runner_on_ok":
            state, message = (StepState.CHANGED if changed else StepState.OK), sentence(result.get("msg"))
        elif kind == "runner_on_skipped":
            state, message = StepState.SKIPPED, None
        elif kind in ("runner_on_failed", "runner_on_unreachable"):
            state, message = StepState.FAILED, _message(_failed(data))
            if not data.get("ignore_errors"):
                self._failure = _failure(data, unreachable=kind == "runner_on_unreachable")
        else:
            return None
        return StepFinished(data["task"], state, changed, message, _presentable(result))

    def _outside_steps(self, printed: str) -> list[str]:
        """Answer the lines for the job's log; after an error come a piece of the playbook and a trace: not for it."""
        self._printed.append(printed)
        if self._printed_error is not None:
            return []
        lines = log_lines(printed)
        for number, line in enumerate(lines, start=1):
            mark, found, message = line.partition(":")
            if found and mark.strip("[]").startswith("ERROR"):
                self._printed_error = sentence(message)
                return lines[:number]
        return lines

    def _unstarted(self, rc: int | None) -> PlaybookFailure:
        """Say why a playbook failed of which no step did."""
        if rc == 0:
            message = _NO_HOST
        elif rc is None:
            message = "ansible-playbook was killed."
        else:
            message = self._printed_error or f"ansible-playbook ended with exit code {rc}."
        return PlaybookFailure(message, detail="\n".join(filter(None, self._printed)) or None)


def _failed(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """Answer the result that says what failed: of a loop that is its first failed item's."""
    result: Mapping[str, Any] = data.get("res") or {}
    for item in result.get("results") or ():
        if isinstance(item, dict) and (item.get("failed") or item.get("unreachable")):
            return item
    return result


def _message(result: Mapping[str, Any]) -> str:
    if "censored" in result:
        return _HIDDEN
    if "reason" in result:  # of include_tasks and its kin, which have no msg
        return _UNREADABLE
    return sentence(result.get("msg")) or "The step failed and did not say why."


def _failure(data: Mapping[str, Any], *, unreachable: bool) -> PlaybookFailure:
    result = _failed(data)
    code, field = result.get("code"), result.get("field")
    return PlaybookFailure(
        message=_message(result),
        step=data["task"],
        code=code if isinstance(code, str) else None,
        field=field if isinstance(field, str) else None,
        unreachable=unreachable,
        # A failure with a code is one that the module foresaw: where in its files it arose says nothing more.
        detail=None if code else "\n".join(str(result[key]) for key in _DETAILS if result.get(key)) or None,
    )


def _presentable(result: Mapping[str, Any]) -> dict[str, Any]:
    shown = {key: value for key, value in result.items() if key not in _LEFT_OUT and not key.startswith("_ansible_")}
    if isinstance(items := shown.get("results"), list):
        shown["results"] = [_presentable(item) if isinstance(item, dict) else item for item in items]
    return shown
