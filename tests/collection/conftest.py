# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection as people run it: ansible-playbook in a process of its own, against the lab's host.

Everything runs in an empty folder with an empty HOME, so that the installed collection is what is found.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.host import Host
from tests.core.actions.guests import swept

BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Run:
    """What a run of ansible-playbook left."""

    code: int
    output: str


Ansible = Callable[..., Run]
Tasks = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def ansible(lab_host: Host, tmp_path_factory: pytest.TempPathFactory) -> Ansible:
    """Run ``ansible-playbook`` with these arguments; ``extra`` goes into a file of variables, as a service would do.

    ``program`` is another one of Ansible's.
    """
    folder = tmp_path_factory.mktemp("ansible")
    environment = {
        "PATH": f"{BIN}:{os.defpath}",
        "HOME": str(folder),
        "LC_ALL": "C.UTF-8",
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_LOCALHOST_WARNING": "0",
        "ANSIBLE_INVENTORY_UNPARSED_WARNING": "0",
        "LIBVIRT_DEFAULT_URI": lab_host.uri,
    }

    def run(
        *arguments: str | Path,
        extra: dict[str, Any] | None = None,
        timeout: float = 120,
        program: str = "ansible-playbook",
        **changes: str,
    ) -> Run:
        command = [str(BIN / program), *map(str, arguments)]
        if extra is not None:
            file = folder / "extra.json"
            file.write_text(json.dumps(extra))
            command += ["-e", f"@{file}"]
        done = subprocess.run(
            command,
            cwd=folder,
            env={**environment, **changes},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=timeout,
        )
        return Run(done.returncode, done.stdout)

    return run


@pytest.fixture(scope="session")
def tasks(ansible: Ansible, tmp_path_factory: pytest.TempPathFactory) -> Tasks:
    """Run the module ``module`` once for each named task, all in one play, and answer what each answered.

    A task's arguments are the module's; ``check_mode`` and ``diff`` beside them are the task's. A failure does not end
    the play.
    """

    def run(interpreter: str | None = None, module: str = "vm", **wanted: dict[str, Any]) -> dict[str, Any]:
        folder = tmp_path_factory.mktemp("play")
        play: dict[str, Any] = {"hosts": "localhost", "gather_facts": False, "tasks": []}
        if interpreter is not None:
            play["vars"] = {"ansible_python_interpreter": interpreter}
        for name, arguments in wanted.items():
            own = {key: arguments[key] for key in ("check_mode", "diff", "environment") if key in arguments}
            options = {key: value for key, value in arguments.items() if key not in own}
            play["tasks"].append({f"hostler.libvirt.{module}": options, "register": name, "ignore_errors": True, **own})
        answers = folder / "answers.json"
        content = "{{ {" + ", ".join(f"'{name}': {name}" for name in wanted) + "} | to_json }}"
        play["tasks"].append({"ansible.builtin.copy": {"content": content, "dest": str(answers), "mode": "0600"}})
        playbook = folder / "play.yml"
        playbook.write_text(yaml.safe_dump([play]))
        done = ansible(playbook)
        assert done.code == 0, done.output
        found: dict[str, Any] = json.loads(answers.read_text())
        return found

    return run


@pytest.fixture(autouse=True, scope="module")
def clean_host(lab_host: Host) -> Iterator[None]:
    """A file's tests leave nothing on the lab's host."""
    with swept(lab_host.uri):
        yield
