# SPDX-License-Identifier: GPL-3.0-or-later
"""awx_setup and awx_teardown as people run them, with the real modules of awx.awx, against a stand-in for AWX."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.awx.made import REPO, made_by
from tests.awx_setup.controller.app import Controller


@dataclass(frozen=True)
class Run:
    """What a run of a playbook left."""

    code: int
    output: str

    @property
    def changed(self) -> int:
        """How many tasks say that they changed something."""
        recap = re.search(r"^localhost .*changed=(\d+)", self.output, re.MULTILINE)
        assert recap, self.output
        return int(recap[1])

    def changed_of(self, task: str) -> list[str]:
        """The items, or the host, that the task of this name changed."""
        part = self.output.partition(f"TASK [{task}] *")[2].partition("\nTASK [")[0]
        return re.findall(r"^changed: \[localhost\](?: => \(item=(.*)\))?", part, re.MULTILINE)


Playbook = Callable[..., Run]


@pytest.fixture(scope="session")
def awx_environment() -> Path:
    """An environment of its own with Ansible, made when it is first asked for."""
    return made_by("ansible-core", "2.19")


@pytest.fixture(scope="session")
def awx_collection() -> Path:
    """The folder with the collection awx.awx, as the package ansible has it."""
    return made_by("awx-collection")


@pytest.fixture(scope="module")
def controller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Controller]:
    """An empty controller for all tests of a file; it has AWX's own organization."""
    with Controller(tmp_path_factory.mktemp("jobs")) as controller:
        controller.store.create("organizations", {"name": "Default"})
        yield controller


@pytest.fixture(scope="module")
def playbook(
    awx_environment: Path, awx_collection: Path, controller: Controller, tmp_path_factory: pytest.TempPathFactory
) -> Playbook:
    """Run a playbook of ours in the repository, with these arguments and variables, against the controller."""
    home = tmp_path_factory.mktemp("home")

    def run(name: str, *arguments: str, extra: dict[str, Any] | None = None, **environment: str) -> Run:
        variables = {"awx_project_url": str(REPO), "awx_execution_environment_image": "localhost/hostler-ee:1"} | (
            extra or {}
        )
        done = subprocess.run(
            [
                awx_environment / "bin/ansible-playbook",
                f"playbooks/{name}.yml",
                "-e",
                json.dumps(variables),
                *arguments,
            ],
            cwd=REPO,
            env={
                "PATH": f"{awx_environment}/bin:{os.defpath}",
                "HOME": str(home),
                "LC_ALL": "C.UTF-8",
                "ANSIBLE_COLLECTIONS_PATH": f"{REPO}/collections:{awx_collection}",
                "ANSIBLE_NOCOLOR": "1",
                "ANSIBLE_LOCALHOST_WARNING": "0",
                "ANSIBLE_INVENTORY_UNPARSED_WARNING": "0",
                "ANSIBLE_PIPELINING": "1",
                "CONTROLLER_HOST": controller.url,
                "CONTROLLER_OAUTH_TOKEN": controller.access.token,
            }
            | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=600,
        )
        return Run(done.returncode, done.stdout)

    return run
