# SPDX-License-Identifier: GPL-3.0-or-later
"""Work in processes of its own: what comes back, and that nothing of it can hang who waits."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.apart import Outcome, run_apart
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostUnreachable

# since Python 3.12 it warns of any thread, and other tests of this process have started libvirt's
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


def test_answers_come_in_the_order_of_the_work_however_many_run_at_a_time() -> None:
    def answer(number: int) -> int:
        time.sleep(0.02 * (number % 3))
        return number

    work = [lambda number=number: answer(number) for number in range(9)]

    assert run_apart(work, 60, 2) == [Outcome(answer=number) for number in range(9)]
    assert run_apart([], 60, 2) == []


def test_each_runs_in_a_process_of_its_own_and_never_more_than_allowed(tmp_path: Path) -> None:
    def among() -> list[int]:
        (tmp_path / str(os.getpid())).touch()
        time.sleep(0.05)
        there = len(list(tmp_path.iterdir()))
        (tmp_path / str(os.getpid())).unlink()
        return [os.getpid(), there]

    answers = [outcome.answer for outcome in run_apart([among] * 6, 60, 3)]

    assert len({pid for pid, _there in answers} | {os.getpid()}) == 7
    assert max(there for _pid, there in answers) <= 3


def test_a_failure_is_told_in_its_words_and_harms_nobody_else() -> None:
    def unreachable() -> None:
        raise HostUnreachable("Failed to connect to the host: no route")

    def wrong() -> None:
        raise ValueError("of whatever kind")

    def killed() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    outcomes = run_apart([unreachable, wrong, killed, lambda: "x" * 1_000_000], 60, 4)

    assert outcomes[:3] == [
        Outcome(error="Failed to connect to the host: no route"),
        Outcome(error="ValueError: of whatever kind"),
        Outcome(error="the process that asked it has ended without an answer"),
    ]
    assert len(outcomes[3].answer) == 1_000_000


def test_one_that_hangs_is_ended_with_all_that_it_has_started(tmp_path: Path) -> None:
    def hang() -> None:
        child = subprocess.Popen(["sleep", "600"])
        (tmp_path / "pid").write_text(str(child.pid))
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        child.wait()

    outcomes = run_apart([hang, lambda: 1], 1, 2)

    assert outcomes == [Outcome(error="no answer within 1 s"), Outcome(answer=1)]
    state = Path("/proc", (tmp_path / "pid").read_text(), "stat")
    assert not state.exists() or state.read_text().rsplit(")", 1)[1].split()[0] == "Z"
