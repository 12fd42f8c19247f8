# SPDX-License-Identifier: GPL-3.0-or-later
"""Carrying a VM's job out by a playbook: the plan, code and result of the direct way, with a site's steps around it.

It runs beside the service, or at AWX, as the job's executor says; what it tells and what it comes to is the same.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import structlog

from ansible_collections.hostler.libvirt.plugins.module_utils import errors as core
from hostler.dispatch import Action
from hostler.engine import Engine
from hostler.errors import Unavailable
from hostler.hosts.models import AnsibleConnection, Server
from hostler.jobs.models import Executor
from hostler.jobs.track import JobTrack
from hostler.machines.at_awx import run_at_awx
from hostler.machines.telling import note
from hostler.runner import (
    LocalHost,
    LogLine,
    PlaybookEvent,
    PlaybookOutcome,
    PlaybookRun,
    PlaybookStatus,
    SshHost,
    StepFinished,
)
from hostler.settings import Settings

log = structlog.get_logger(__name__)


async def run_playbook(
    engine: Engine,
    action: Action,
    server: Server,
    variables: Mapping[str, Any],
    track: JobTrack,
) -> None:
    """Run the action's playbook for a VM of ``server``; raises the core's error that its module failed with.

    ``variables`` are the playbook's own, without their prefix ``vm_``; None leaves one out.
    """
    await track.check_generation()
    extra = {f"vm_{name}": value for name, value in variables.items() if value is not None}
    if track.job.executor == Executor.AWX.value:
        outcome = await run_at_awx(engine, server, extra, track)
    else:
        outcome = await _run_here(engine, action, server, extra, track)
    raise_for(outcome, server, engine.settings)


async def _run_here(
    engine: Engine, action: Action, server: Server, extra: dict[str, Any], track: JobTrack
) -> PlaybookOutcome:
    settings = engine.settings
    by_ssh = server.ansible_connection == AnsibleConnection.SSH.value
    # a task costs a process of its own, even to find that there is nothing to do
    skipped = ["hostler_workflow"]
    if settings.hooks_dir is None:
        skipped.append("hostler_hooks")
    extra["libvirt_uri"] = "qemu:///system" if by_ssh else server.libvirt_uri
    if settings.hooks_dir is not None:
        extra["hooks_dir"] = str(settings.hooks_dir)
    return await engine.playbooks.run_playbook(
        PlaybookRun(
            action.value,
            extravars=extra,
            host=_ssh_host(server) if by_ssh else LocalHost(),
            skipped_tags=tuple(skipped),
            timeout=settings.playbook_timeout_seconds,
            secrets=await engine.credentials.of_server(server.id),
        ),
        lambda event: note(track, without_folders(event, settings)),
    )


def _ssh_host(server: Server) -> SshHost:
    return SshHost(
        server.ansible_host or server.hostname, user=server.ansible_user or "root", port=server.ansible_port or 22
    )


def without_folders(event: PlaybookEvent, settings: Settings) -> PlaybookEvent:
    """The event with the names of the service's own folders taken out of the paths that Ansible speaks of."""
    if isinstance(event, StepFinished) and event.message is not None:
        return dataclasses.replace(event, message=_without_folders(event.message, settings))
    return LogLine(_without_folders(event.text, settings)) if isinstance(event, LogLine) else event


def _without_folders(text: str, settings: Settings) -> str:
    for folder in (settings.hooks_dir, settings.playbooks_dir, settings.state_dir, Path(sys.prefix)):
        if folder is not None:
            text = text.replace(f"{folder}/", "").replace(str(folder), folder.name)
    return text


def raise_for(outcome: PlaybookOutcome, server: Server, settings: Settings) -> None:
    """Raise the core's error of a playbook that did not succeed."""
    if outcome.status is PlaybookStatus.SUCCEEDED:
        return
    failure = outcome.failure
    if failure is None:
        raise core.OperationFailed(f"The playbook ended as {outcome.status.value}")
    log.warning("playbook.failed", step=failure.step, reason=failure.message, detail=failure.detail)
    if failure.unreachable:
        raise Unavailable(f"Host '{server.hostname}' can't be reached by Ansible", code="host_unreachable")
    message = _without_folders(failure.message, settings).rstrip(".")
    error = core_error(failure.code, message, failure.field)
    if isinstance(error, core.HostUnreachable):
        # libvirt's own words name sockets and addresses
        raise core.HostUnreachable(f"Host '{server.hostname}' is unreachable")
    raise error


def core_error(code: str | None, message: str, field: str | None) -> core.HostlerError:
    """The core's error of that code, as a module failed with it in another process."""
    if code == core.InvalidSpec.code:
        # the module's message names the field already
        return core.InvalidSpec([core.FieldError(field or "", message.removeprefix(f"{field}: "))])
    kinds = {kind.code: kind for kind in _tree(core.HostlerError)}
    return kinds.get(code or "", core.OperationFailed)(message, field)


def _tree(kind: type[core.HostlerError]) -> list[type[core.HostlerError]]:
    return [kind, *(below for child in kind.__subclasses__() for below in _tree(child))]
