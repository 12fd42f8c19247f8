# SPDX-License-Identifier: GPL-3.0-or-later
"""When a process of a run is killed from outside, the run has failed, and all of its others end with it."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from hostler.runner import PlaybookStatus
from hostler.runner.environment import MARK
from tests.service.runner.conftest import Site, until

pytestmark = pytest.mark.anyio


def processes(site: Site) -> dict[int, str]:
    """Answer what the site's runs consist of: each one's id, with its arguments."""
    found = {}
    for entry in Path("/proc").iterdir():
        try:
            if f"{MARK}={site.state.resolve()}/runs/run-" in (entry / "environ").read_text():
                found[int(entry.name)] = (entry / "cmdline").read_text().replace("\0", " ")
        except (OSError, UnicodeDecodeError):
            continue
    return found


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize(
    ("site", "who"),
    [("cold", "launcher"), ("warm", "launcher"), ("warm", "keeper"), ("warm", "playbook")],
    indirect=["site"],
)
async def test_a_run_whose_process_is_killed_has_failed_and_leaves_nothing_running(
    site: Site, tmp_path: Path, who: str, number: signal.Signals
) -> None:
    """Of a cold start the three are one."""
    mark = tmp_path / "pid"
    site.write("wait", '- ansible.builtin.shell: "echo $$ >{{ mark }}.new; mv {{ mark }}.new {{ mark }}; sleep 600"')
    run = asyncio.create_task(site.run("wait", extravars={"mark": str(mark)}))
    await until(mark.exists)
    started = processes(site)
    (launcher,) = [pid for pid, arguments in started.items() if parent(pid) == os.getpid()]
    assert ("launcher.py" in started[launcher]) == site.warm
    line = [int(mark.read_text())]
    while parent(line[-1]) in started:
        line.append(parent(line[-1]))
    assert (line[-1] == launcher) != site.warm
    pids = {"launcher": launcher, "keeper": line[-1], "playbook": line[-2] if site.warm else launcher}

    os.kill(pids[who], number)
    outcome = await run

    assert (outcome.status, outcome.rc) == (PlaybookStatus.FAILED, None)
    assert outcome.failure is not None
    assert outcome.failure.message == "ansible-playbook was killed."
    assert processes(site) == {}
    assert site.left_behind() == []
