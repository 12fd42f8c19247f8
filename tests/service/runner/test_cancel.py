# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that is ended early leaves no process and no file behind."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import anyio
import pytest

from hostler.runner import PlaybookEvent, PlaybookOutcome, PlaybookRun, PlaybookStatus, sweep
from tests.service.runner.conftest import Site

pytestmark = pytest.mark.anyio

# A child, one in a session of its own, and one with an empty environment; each tells its process id.
SLEEP = (
    "; ".join(
        f"{prefix} sh -c 'echo $$ >> {{{{ pids }}}}; exec sleep 600' &" for prefix in ("", "setsid", "env -i")
    ).replace("&;", "&")
    + " wait"
)
SLEEPERS = f"- {{name: Sleep, ansible.builtin.shell: {json.dumps(SLEEP)}}}"


def wait_for(pids: Path) -> list[int]:
    """Wait until all three have told their process ids."""
    give_up = time.monotonic() + 30
    while not pids.exists() or len(pids.read_text().splitlines()) < 3:
        assert time.monotonic() < give_up, "the playbook's processes never started"
        time.sleep(0.02)
    return [int(line) for line in pids.read_text().splitlines()]


def running(pids: list[int]) -> list[int]:
    """Answer those that still run; one that only waits to be reaped does not."""
    alive = []
    for pid in pids:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if state not in "ZX":
            alive.append(pid)
    return alive


@pytest.fixture
def pids(tmp_path: Path) -> Iterator[Path]:
    """The file that the sleepers write to; a test that fails leaves none of them behind."""
    path = tmp_path / "pids"
    yield path
    for pid in running([int(line) for line in path.read_text().splitlines()] if path.exists() else []):
        os.kill(pid, signal.SIGKILL)


@pytest.fixture
def sleeper(site: Site, pids: Path) -> tuple[Site, Path]:
    site.write("sleep", SLEEPERS)
    return site, pids


async def test_cancel_ends_every_process_and_deletes_the_folder(sleeper: tuple[Site, Path]) -> None:
    site, pids = sleeper
    cancel = asyncio.Event()
    run = asyncio.create_task(site.run("sleep", cancel, extravars={"pids": str(pids)}))
    sleeping = await anyio.to_thread.run_sync(wait_for, pids)
    assert running(sleeping) == sleeping
    assert len(site.left_behind()) == 1
    assert site.left_behind()[0].stat().st_mode & 0o777 == 0o700

    cancel.set()
    outcome = await run

    assert outcome.status is PlaybookStatus.CANCELED
    assert outcome.failure is not None
    assert running(sleeping) == []
    assert site.left_behind() == []


async def test_cancelling_the_task_ends_the_run_before_it_goes_on(sleeper: tuple[Site, Path]) -> None:
    site, pids = sleeper
    run = asyncio.create_task(site.run("sleep", extravars={"pids": str(pids)}))
    sleeping = await anyio.to_thread.run_sync(wait_for, pids)

    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run

    assert running(sleeping) == []
    assert site.left_behind() == []


async def test_a_run_that_takes_too_long_is_ended(sleeper: tuple[Site, Path]) -> None:
    site, pids = sleeper

    outcome = await site.run("sleep", extravars={"pids": str(pids)}, timeout=0.5)

    assert outcome.status is PlaybookStatus.TIMEOUT
    assert outcome.failure is not None
    assert "too long" in outcome.failure.message
    assert site.left_behind() == []


async def test_what_the_listener_raises_ends_the_run_and_comes_out(sleeper: tuple[Site, Path]) -> None:
    site, pids = sleeper

    def listen(_: PlaybookEvent) -> None:
        raise LookupError("the listener's own")

    with pytest.raises(LookupError, match="the listener's own"):
        await site.runner.run_playbook(PlaybookRun("sleep", {"pids": str(pids)}), listen)

    assert site.left_behind() == []


async def test_closing_the_runner_ends_what_runs_and_what_waits(sleeper: tuple[Site, Path]) -> None:
    site, pids = sleeper
    runner = site.another_runner(parallel=1)
    request = PlaybookRun("sleep", {"pids": str(pids)})
    first = asyncio.create_task(runner.run_playbook(request, site.events.append))
    second = asyncio.create_task(runner.run_playbook(request, site.events.append))
    sleeping = await anyio.to_thread.run_sync(wait_for, pids)

    await runner.close()

    assert [(await run).status for run in (first, second)] == [PlaybookStatus.CANCELED] * 2
    assert running(sleeping) == []
    assert site.left_behind() == []


async def test_a_run_that_waits_for_its_turn_can_be_cancelled_at_once(sleeper: tuple[Site, Path]) -> None:
    site, pids = sleeper
    runner = site.another_runner(parallel=1)
    request = PlaybookRun("sleep", {"pids": str(pids)})
    first = asyncio.create_task(runner.run_playbook(request, site.events.append))
    await anyio.to_thread.run_sync(wait_for, pids)
    cancel = asyncio.Event()
    told: list[PlaybookEvent] = []
    second = asyncio.create_task(runner.run_playbook(request, told.append, cancel))
    await asyncio.sleep(0)

    cancel.set()

    assert (await second).status is PlaybookStatus.CANCELED
    assert told == []
    assert not first.done()
    await runner.close()
    assert (await first).status is PlaybookStatus.CANCELED


async def test_as_many_run_at_once_as_the_setting_says(site: Site, tmp_path: Path) -> None:
    """Two runs that wait for each other come to an end only if they run at the same time."""
    site.write(
        "meet",
        """
        - ansible.builtin.file: {path: "{{ mine }}", state: touch, mode: "0600"}
        - ansible.builtin.wait_for: {path: "{{ theirs }}", timeout: 60, sleep: 0}
        """,
    )
    one, two = str(tmp_path / "one"), str(tmp_path / "two")

    outcomes = await asyncio.gather(
        site.run("meet", extravars={"mine": one, "theirs": two}),
        site.run("meet", extravars={"mine": two, "theirs": one}),
    )

    assert [outcome.failure for outcome in outcomes] == [None, None]


async def test_no_more_run_at_once_than_the_setting_says(site: Site) -> None:
    site.write("turn", "- ansible.builtin.command: sleep 0.2")
    runner = site.another_runner(parallel=1)
    told: list[int] = []

    def listener(number: int) -> Callable[[PlaybookEvent], None]:
        return lambda _: told.append(number)

    async def run(number: int) -> PlaybookOutcome:
        return await runner.run_playbook(PlaybookRun("turn"), listener(number))

    await asyncio.gather(run(0), run(1))
    await runner.close()

    assert told == sorted(told)
    assert set(told) == {0, 1}


REPO = Path(__file__).parents[3]
SERVICE = """
import asyncio, sys
from pathlib import Path
from hostler.runner import PlaybookRun, PlaybookRunner
from tests.service.runner.conftest import warmed_up

folder, pids, start = sys.argv[1:]
runner = warmed_up(PlaybookRunner(Path(folder), warm_start=start == "warm", playbooks_dir=Path(folder)))
asyncio.run(runner.run_playbook(PlaybookRun("sleep", {"pids": pids}), lambda event: None))
"""


@pytest.mark.parametrize("start", ["cold", "warm"])
def test_the_next_start_ends_what_a_killed_service_left_behind(tmp_path: Path, pids: Path, start: str) -> None:
    (tmp_path / "sleep.yml").write_text(
        f"- {{hosts: localhost, gather_facts: false, tasks: [{{ansible.builtin.shell: {json.dumps(SLEEP)}}}]}}"
    )
    with subprocess.Popen([sys.executable, "-c", SERVICE, tmp_path, pids, start], cwd=REPO) as service:
        sleeping = wait_for(pids)
        service.send_signal(signal.SIGKILL)
    assert running(sleeping) == sleeping
    assert len(list((tmp_path / "runs").glob("run-*"))) == 1

    assert sweep(tmp_path) == 1

    assert running(sleeping) == []
    assert list((tmp_path / "runs").iterdir()) == []
