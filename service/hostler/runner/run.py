# SPDX-License-Identifier: GPL-3.0-or-later
"""Running playbooks with ansible-runner, and with nothing of the service in their reach.

A run is a thread that drives ``ansible-playbook`` in a private folder, with an environment of its own, one
host in its inventory, and its extra variables as literal data in a file (a command line can be read by every
user of the machine).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_runner import Runner, RunnerConfig

from hostler.credentials.secrets import Secrets
from hostler.runner import environment, inventory, terminal
from hostler.runner.folder import private_folder
from hostler.runner.inventory import LocalHost, SshHost
from hostler.runner.processes import end_processes
from hostler.runner.translate import Translation
from hostler.runner.unsafe import unsafe
from hostler.runner.warm_start import WarmStart

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hostler.runner.events import PlaybookEvent, PlaybookOutcome
    from hostler.runner.stop import Stop

terminal.use()

_SETTINGS = {
    "pexpect_timeout": 0.1,  # seconds: how often a run looks whether it is to end
    "suppress_output_file": True,  # the output is in the events, and stays off the disk
}


@dataclass(frozen=True, slots=True)
class PlaybookRun:
    """What is to be run.

    :raises ValueError: an extra variable has a name that Ansible or the runner keeps for itself.
    """

    playbook: str  # a name from the dispatch table: vm_create
    extravars: Mapping[str, object] = field(default_factory=dict, repr=False)  # names ours, values anybody's
    host: LocalHost | SshHost = field(default_factory=LocalHost)
    check: bool = False  # ansible-playbook --check --diff: change nothing, say what would be changed
    skipped_tags: tuple[str, ...] = ()  # tasks with one of them don't begin; names ours
    timeout: float | None = None  # seconds from its start to its end; None: as long as it takes
    secrets: Secrets | None = None  # what the host is reached with; None: as the service's user reaches it

    def __post_init__(self) -> None:
        for name in self.extravars:
            if name == "hypervisor" or name.startswith("ansible_"):
                raise ValueError(f"the variable {name!r} is not the caller's to set")


@dataclass(frozen=True, slots=True)
class Workplace:
    """Where runs take place: what all runs of a service share."""

    state_dir: Path
    environment: Mapping[str, str] = field(repr=False)
    warm_start: WarmStart | None  # None: every run starts cold

    @classmethod
    def in_folder(cls, state_dir: Path, playbooks_dir: Path | None, *, warm: bool) -> Workplace:
        """Make the folder that stands for ``~/.ansible``, and write the environment of all runs."""
        home = state_dir.resolve() / "ansible"
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        (home / "ansible.cfg").touch(mode=0o600)
        variables = environment.fixed(home, playbooks_dir)
        return cls(state_dir, variables, WarmStart(state_dir, variables) if warm else None)


def run_in_thread(
    workplace: Workplace,
    playbook: str,
    request: PlaybookRun,
    stop: Stop,
    tell: Callable[[PlaybookEvent], None],
) -> PlaybookOutcome:
    """Run a playbook to its end; blocks the calling thread.

    :param playbook: what `find_playbook` answered for the request's playbook.
    :param stop: looked at ten times a second; when it says so, all processes of the run are killed.
    :param tell: called in this thread with each event as it comes.
    """
    stop.start_clock()
    translation = Translation()

    def handle(raw: Mapping[str, Any]) -> bool:
        for event in translation.events(raw):
            tell(event)
        return False  # so that ansible-runner doesn't keep the event in a file

    with private_folder(workplace.state_dir, "run") as folder:

        def is_to_end() -> bool:
            if stop.reason() is None:
                return False
            end_processes(folder)
            return True

        runner = Runner(
            _configuration(workplace, folder, playbook, request),
            event_handler=handle,
            cancel_callback=is_to_end,
        )
        try:
            runner.run()
        except BaseException:
            end_processes(folder)
            raise
        if runner.rc is None:  # killed by somebody else: nobody is left who would end its modules
            end_processes(folder)
        return translation.outcome(runner.rc, stop.reason() if runner.canceled else None)


def _configuration(workplace: Workplace, folder: Path, playbook: str, request: PlaybookRun) -> RunnerConfig:
    temp = folder / "tmp"
    temp.mkdir(mode=0o700)
    extravars = unsafe({**request.extravars, "hypervisor": request.host.inventory_name})
    (folder / "env").mkdir(mode=0o700)
    (folder / "env" / "settings").write_text(json.dumps(_SETTINGS))
    (folder / "env" / "extravars").write_text(json.dumps(extravars))
    host, reached_with = request.host, dict[str, str]()
    if request.secrets is not None:
        (folder / "credential").mkdir(mode=0o700)
        reached_with = request.secrets.lay_out(folder / "credential")
        host = host.with_credential(reached_with)
    (folder / "hosts.json").write_text(json.dumps(inventory.document(host, temp)))
    config = RunnerConfig(
        private_data_dir=str(folder),
        ident="run",
        playbook=playbook,
        inventory=[str(folder / "hosts.json")],
        cmdline="--check --diff" if request.check else None,
        skip_tags=",".join(request.skipped_tags) or None,
        fact_cache_type="",  # none on the disk
        quiet=True,
    )
    config.prepare()
    config.env = {**workplace.environment, **environment.of_run(folder, Path(config.artifact_dir)), **reached_with}
    if workplace.warm_start is not None:
        config.command = workplace.warm_start.command(config.command)
    return config
