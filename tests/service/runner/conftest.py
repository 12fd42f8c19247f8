# SPDX-License-Identifier: GPL-3.0-or-later
"""A runner with playbooks that a test writes, and what it told."""

from __future__ import annotations

import asyncio
import textwrap
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from hostler.runner import PlaybookEvent, PlaybookOutcome, PlaybookRun, PlaybookRunner


@dataclass
class Site:
    """An operator's machine: a state folder, a folder of playbooks, and a runner for them."""

    state: Path
    playbooks: Path
    runner: PlaybookRunner
    events: list[PlaybookEvent] = field(default_factory=list)

    def write(self, name: str, tasks: str) -> None:
        """Write a playbook of these tasks (YAML)."""
        head = "- hosts: \"{{ hypervisor | default('localhost') }}\"\n  gather_facts: false\n  tasks:\n"
        (self.playbooks / f"{name}.yml").write_text(head + textwrap.indent(textwrap.dedent(tasks), "    "))

    async def run(self, name: str, cancel: asyncio.Event | None = None, **request: Any) -> PlaybookOutcome:
        """Run a playbook; its events are in `events`."""
        return await self.runner.run_playbook(PlaybookRun(name, **request), self.events.append, cancel)

    def left_behind(self) -> list[Path]:
        """Answer the folders of runs that still exist."""
        return list((self.state / "runs").glob("*"))


@pytest.fixture
async def site(tmp_path: Path, anyio_backend: str) -> AsyncIterator[Site]:
    playbooks = tmp_path / "playbooks"
    playbooks.mkdir()
    runner = PlaybookRunner(tmp_path / "state", playbooks_dir=playbooks)
    yield Site(tmp_path / "state", playbooks, runner)
    await runner.close()
