# SPDX-License-Identifier: GPL-3.0-or-later
"""Having a VM's job done by a job at AWX, and what that has to do with ours: its number, its log, its cancel.

The number of the job at AWX is in our job's ``external_id`` before anything else is done about it. So a service that
was stopped meanwhile finds it again (`hostler.machines.resumption`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import structlog

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import Superseded
from hostler.awx import AwxError, Controller, Launch, Retelling
from hostler.awx.launch import mark_of
from hostler.awx.states import AwxState
from hostler.database import DatabaseUnavailable
from hostler.dispatch import Action
from hostler.engine import Engine
from hostler.hosts.models import AnsibleConnection, Server
from hostler.jobs.models import Job, JobLog, JobStep, StepState
from hostler.jobs.track import JobTrack
from hostler.machines.telling import note
from hostler.runner import PlaybookEvent, PlaybookOutcome

log = structlog.get_logger(__name__)

NOTE = "step"
"""The stream of the lines that we add to what Ansible printed."""

_WRITE_AGAIN_SECONDS = 1.0

_WORDS = {
    AwxState.NEW: "waits at AWX",
    AwxState.PENDING: "waits at AWX",
    AwxState.WAITING: "waits for an instance of AWX",
    AwxState.RUNNING: "runs",
    AwxState.SUCCESSFUL: "has succeeded",
    AwxState.FAILED: "has failed",
    AwxState.ERROR: "could not be run",
    AwxState.CANCELED: "was canceled",
}


async def run_at_awx(engine: Engine, server: Server, variables: Mapping[str, Any], track: JobTrack) -> PlaybookOutcome:
    """Launch the job for ours and follow it to its end.

    ``variables`` are the playbook's own. Raises `AwxError`, `AwxCanceled`; at a cancel of our job, AWX's is canceled.
    """
    controller = controller_of(engine)
    by_ssh = server.ansible_connection == AnsibleConnection.SSH.value
    where = {
        "hypervisor": server.hostname if by_ssh else "localhost",
        "libvirt_uri": "qemu:///system" if by_ssh else server.libvirt_uri,
    }
    launch = launch_of(controller, track.job, {**variables, **where})
    # a request that is cut off may have been heard, so it is waited for
    leaving = asyncio.Event()
    launching = asyncio.create_task(controller.launch(launch, lambda number: _keep(track, number, leaving)))
    try:
        number = await asyncio.shield(launching)
    except asyncio.CancelledError:
        leaving.set()
        await _end_launch(controller, launching, track)
        raise
    return await follow_at_awx(engine, number, track, Retelling())


async def follow_at_awx(engine: Engine, number: int, track: JobTrack, retelling: Retelling) -> PlaybookOutcome:
    """Follow a job that is at AWX to its end; what ``retelling`` knows of is not written down again.

    Raises as `run_at_awx`.
    """
    controller = controller_of(engine)
    words: str | None = None

    def on_event(event: PlaybookEvent) -> None:
        if not retelling.is_told(event):
            note(track, event)

    def on_state(state: AwxState) -> None:
        nonlocal words
        if words != (words := _WORDS[state]):
            track.line(f"AWX job {number} {words}", NOTE)

    try:
        return await controller.follow(number, on_event, on_state, _seconds_left(engine, track.job))
    except asyncio.CancelledError:
        # at a shutdown it goes on, and the next start follows it
        if await _is_to_end(track):
            await controller.cancel(number)
        raise


def launch_of(controller: Controller, job: Job, variables: Mapping[str, Any]) -> Launch:
    """What the job is launched with there, and known by."""
    # a change of sizes with others is a resize there
    action = Action.CREATE if job.action == Action.CREATE.value else Action.RESIZE
    return Launch(controller.template_of(action.value), mark_of(job), variables)


def controller_of(engine: Engine) -> Controller:
    """The AWX that the settings name."""
    assert engine.awx is not None  # noqa: S101 - without one no action is dispatched to AWX, and none resumed
    return engine.awx


async def told_so_far(job: Job, track: JobTrack) -> Retelling:
    """What another process has written down of the job's events; ``track`` goes on after it."""
    steps = await JobStep.filter(job_id=job.id).order_by("position")
    track.go_on(steps)
    ended = [step for step in steps if step.state not in (StepState.PENDING.value, StepState.RUNNING.value)]
    lines = await JobLog.filter(job_id=job.id, stream="stdout").count()
    return Retelling(lines=lines, begun=len(steps), ended=len(ended))


async def _keep(track: JobTrack, number: int, leaving: asyncio.Event) -> None:
    """Write down which job it is there, as soon as that can be written: it runs, whatever becomes of our database.

    Raises DatabaseUnavailable when we are ``leaving``: the next start finds it by its mark.
    """
    while True:
        try:
            await Job.filter(id=track.job.id).update(external_id=str(number))
        except DatabaseUnavailable as error:
            if leaving.is_set():
                raise
            log.warning("awx.launch_unwritten", awx_job=number, reason=str(error))
            await asyncio.sleep(_WRITE_AGAIN_SECONDS)
        else:
            break
    track.job.external_id = str(number)
    log.info("awx.launched", awx_job=number)


async def _end_launch(controller: Controller, launching: asyncio.Task[int], track: JobTrack) -> None:
    """Wait for what comes of a launch whose job was cut off, and have it end there, unless the next start goes on."""
    try:
        number = await launching
    except (AwxError, DatabaseUnavailable) as error:
        log.warning("awx.launch_cut_off", reason=str(error))
        return
    if await _is_to_end(track):
        await controller.cancel(number)


async def _is_to_end(track: JobTrack) -> bool:
    """Whether our job was canceled, or another has taken its VM over."""
    try:
        await track.check_generation()
    except Superseded:
        return True
    return False


def _seconds_left(engine: Engine, job: Job) -> float:
    """How long it may still take, whoever began to follow it."""
    begun = job.started_at or job.created_at
    return engine.settings.playbook_timeout_seconds - (datetime.now(UTC) - begun).total_seconds()
