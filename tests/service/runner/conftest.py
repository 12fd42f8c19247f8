# SPDX-License-Identifier: GPL-3.0-or-later
"""A runner with playbooks that a test writes, and what it told: once with the cold start and once with the warm."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import textwrap
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from hostler.runner import PlaybookEvent, PlaybookOutcome, PlaybookRun, PlaybookRunner
from hostler.runner.warm_start import WarmStart


@dataclass
class Site:
    """An operator's machine: a state folder, a folder of playbooks, and a runner for them."""

    state: Path
    playbooks: Path
    runner: PlaybookRunner
    warm: bool
    events: list[PlaybookEvent] = field(default_factory=list)

    def write(self, name: str, tasks: str) -> None:
        """Write a playbook of these tasks (YAML)."""
        head = "- hosts: \"{{ hypervisor | default('localhost') }}\"\n  gather_facts: false\n  tasks:\n"
        (self.playbooks / f"{name}.yml").write_text(head + textwrap.indent(textwrap.dedent(tasks), "    "))

    async def run(self, name: str, cancel: asyncio.Event | None = None, **request: Any) -> PlaybookOutcome:
        """Run a playbook; its events are in `events`."""
        return await self.runner.run_playbook(PlaybookRun(name, **request), self.events.append, cancel)

    def another_runner(self, parallel: int = 4) -> PlaybookRunner:
        """Make one more for the same folders."""
        return warmed_up(
            PlaybookRunner(self.state, warm_start=self.warm, playbooks_dir=self.playbooks, parallel=parallel)
        )

    def left_behind(self) -> list[Path]:
        """Answer the folders of runs that still exist."""
        return list((self.state / "runs").glob("run-*"))


def warm_start_of(runner: PlaybookRunner) -> WarmStart:
    """Answer the runner's."""
    assert runner._workplace.warm_start is not None
    return runner._workplace.warm_start


def warmed_up(runner: PlaybookRunner) -> PlaybookRunner:
    """Give the runner back when its next run will start warm, or at once if it is one for cold starts."""
    if runner._workplace.warm_start is not None:
        runner.warm_up()
        give_up = time.monotonic() + 60
        while not warm_start_of(runner).is_ready():
            assert time.monotonic() < give_up, said(runner)
            time.sleep(0.01)
    return runner


def said(runner: PlaybookRunner) -> str:
    """Answer what the runner's warm process complained of: each run that it refused, and that started cold."""
    folder = warm_start_of(runner)._folder
    assert folder is not None
    return (folder / "said").read_text()


def server_of(runner: PlaybookRunner) -> subprocess.Popen[bytes]:
    """Answer the runner's warm process."""
    process = warm_start_of(runner)._process
    assert process is not None
    return process


async def until(holds: Callable[[], object]) -> None:
    """Wait for it."""
    give_up = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < give_up
        await asyncio.sleep(0.02)


@pytest.fixture(scope="session")
def warm_site(tmp_path_factory: pytest.TempPathFactory, anyio_backend: str) -> Iterator[Site]:
    """The one that all warm tests share, so that each runs in a fork of what has served all the others."""
    folder = tmp_path_factory.mktemp("warm")
    playbooks = folder / "playbooks"
    playbooks.mkdir()
    runner = PlaybookRunner(folder / "state", warm_start=True, playbooks_dir=playbooks)
    yield Site(folder / "state", playbooks, runner, warm=True)
    assert said(runner) == ""
    asyncio.run(runner.close())


@pytest.fixture(params=["cold", "warm"])
async def site(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Site]:
    if request.param == "warm":
        shared: Site = request.getfixturevalue("warm_site")
        warmed_up(shared.runner)
        shutil.rmtree(shared.playbooks)
        shared.playbooks.mkdir()
        yield Site(shared.state, shared.playbooks, shared.runner, warm=True)
        return
    playbooks = tmp_path / "playbooks"
    playbooks.mkdir()
    runner = PlaybookRunner(tmp_path / "state", warm_start=False, playbooks_dir=playbooks)
    yield Site(tmp_path / "state", playbooks, runner, warm=False)
    await runner.close()


@pytest.fixture
async def own(tmp_path: Path, anyio_backend: str) -> AsyncIterator[Site]:
    """A warm site of the test's own, whose warm process it may harm."""
    playbooks = tmp_path / "playbooks"
    playbooks.mkdir()
    runner = warmed_up(PlaybookRunner(tmp_path / "state", warm_start=True, playbooks_dir=playbooks))
    yield Site(tmp_path / "state", playbooks, runner, warm=True)
    await runner.close()
