# SPDX-License-Identifier: GPL-3.0-or-later
"""There is a warm process as long as the service runs, and without it runs are only slower."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import anyio
import pytest

from hostler.runner import PlaybookRunner, sweep
from tests.service.runner.conftest import Site, said, server_of, warm_start_of, warmed_up

pytestmark = pytest.mark.anyio

REPO = Path(__file__).parents[3]

WHO = """
- name: Who
  ansible.builtin.debug:
    msg: "{{ lookup('pipe', 'tr \\\\\\\\0 \\\\  </proc/$(ps -o ppid= $PPID | tr -d \\\\ )/cmdline') }}"
"""


async def controller_of(site: Site) -> str:
    """Answer the command line of the process that ran a playbook."""
    site.write("who", WHO)
    outcome = await site.run("who")
    assert outcome.failure is None
    message: str = outcome.results["Who"]["msg"]
    return message


async def test_a_run_is_a_fork_of_the_warm_process_if_there_is_one(site: Site) -> None:
    assert ("hostler.warm.server" in await controller_of(site)) == site.warm


SERVICE = """
import sys, time
from pathlib import Path
from hostler.runner import PlaybookRunner
from tests.service.runner.conftest import server_of, warmed_up

runner = warmed_up(PlaybookRunner(Path(sys.argv[1]), warm_start=True))
print(server_of(runner).pid, flush=True)
time.sleep(600)
"""


def test_the_warm_process_ends_with_the_service_even_when_that_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SERVICE, tmp_path]
    with subprocess.Popen(command, cwd=REPO, stdout=subprocess.PIPE, text=True) as service:
        assert service.stdout is not None
        process = Path("/proc") / service.stdout.readline().strip()
        assert process.exists()
        service.kill()

    give_up = time.monotonic() + 30
    while process.exists():
        assert time.monotonic() < give_up
        time.sleep(0.02)
    assert sweep(tmp_path) == 0
    assert list((tmp_path / "runs").iterdir()) == []


async def test_a_run_starts_cold_where_the_warm_process_is_gone_and_the_next_one_has_another(own: Site) -> None:
    start = warm_start_of(own.runner)
    start._not_before = 0.0
    before = server_of(own.runner)
    before.kill()
    before.wait()

    assert "hostler.warm.server" not in await controller_of(own)

    start._not_before = 0.0  # the pause after one that has ended by itself
    warmed_up(own.runner)
    assert server_of(own.runner) is not before
    assert "hostler.warm.server" in await controller_of(own)
    assert len(list((own.state / "runs").iterdir())) == 1


@pytest.mark.slow  # five seconds' patience
async def test_a_run_starts_cold_where_the_warm_process_does_not_answer(own: Site) -> None:
    server_of(own.runner).send_signal(signal.SIGSTOP)

    assert "hostler.warm.server" not in await controller_of(own)


async def test_one_that_can_t_start_is_not_tried_again_at_once(site: Site) -> None:
    (site.playbooks / "ansible.cfg").write_text("[defaults\n")
    runner = PlaybookRunner(site.state, warm_start=True, playbooks_dir=site.playbooks)
    runner.warm_up()
    process = server_of(runner)
    assert await anyio.to_thread.run_sync(process.wait) != 0
    assert "ansible.cfg" in said(runner)

    runner.warm_up()
    runner.warm_up()

    assert warm_start_of(runner)._process is None
    await runner.close()


async def test_what_ansible_read_when_it_was_imported_is_read_again_once_it_has_changed(own: Site) -> None:
    before = server_of(own.runner)
    await controller_of(own)
    assert server_of(own.runner) is before
    config = warm_start_of(own.runner)._variables["ANSIBLE_CONFIG"]
    await anyio.Path(config).write_text("[defaults]\nroles_path = /srv/roles\n")
    own.write("roles", "- {name: Ask, ansible.builtin.debug: {msg: \"{{ lookup('config', 'DEFAULT_ROLES_PATH') }}\"}}")

    outcomes = []
    for _ in range(2):
        outcomes.append(await own.run("roles"))
        warmed_up(own.runner)

    assert [outcome.results["Ask"]["msg"] for outcome in outcomes] == [["/srv/roles"]] * 2
    assert server_of(own.runner) is not before
