# SPDX-License-Identifier: GPL-3.0-or-later
"""A job as AWX runs it: ansible-runner in the project's folder, with the variables marked as nobody's templates."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.awx_setup.controller.job_events import extra_vars_file

PROJECT = ("ansible.cfg", "collections", "inventory", "playbooks")
"""What of the repository a job reads."""


@dataclass(frozen=True)
class Finished:
    """What a job left: ``artifacts`` are what it told workflows by set_stats."""

    code: int
    output: str
    artifacts: dict[str, Any]


@dataclass(frozen=True)
class Controller:
    """Runs jobs in an environment with ansible-runner and some ansible-core, as an execution environment is.

    ``credential`` are the variables that a credential sets, ``inventory`` is the inventory as a job gets it.
    """

    environment: Path
    folder: Path
    credential: dict[str, str]
    inventory: dict[str, Any]

    def run(
        self, playbook: str, variables: dict[str, Any], *, check: bool = False, allow_jinja: str = "template"
    ) -> Finished:
        """Run ``playbooks/<playbook>.yml`` with the variables of a launch."""
        data = self.folder / "data"
        shutil.rmtree(data, ignore_errors=True)
        for name in ("env", "inventory", "home"):
            (data / name).mkdir(parents=True)
        (data / "project").symlink_to(self.folder / "project")
        own = {"awx_job_id": 7, "awx_job_template_name": playbook, "awx_user_name": "admin"}
        (data / "env" / "extravars").write_text(extra_vars_file({**own, **variables}, {}, allow_jinja))
        # the environment's own spelling of where collections are, as AWX sets it of the project's ansible.cfg
        paths = {"ANSIBLE_COLLECTIONS_PATHS": f"{data}/requirements_collections:./collections"}
        (data / "env" / "envvars").write_text(yaml.safe_dump({**paths, **self.credential}))
        (data / "inventory" / "hosts.json").write_text(json.dumps(self.inventory))
        command = ["run", str(data), "-p", f"playbooks/{playbook}.yml", "--ident", "7"]
        done = subprocess.run(
            [str(self.environment / "bin" / "ansible-runner"), *command, *(["--cmdline=--check"] if check else [])],
            env={"PATH": f"{self.environment / 'bin'}:{os.defpath}", "HOME": str(data / "home"), "LANG": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=300,
        )
        return Finished(done.returncode, done.stdout, _artifacts(data / "artifacts" / "7" / "job_events"))


def project_in(folder: Path, repo: Path) -> None:
    """A copy of the repository as an AWX has it, links and all."""
    ours = shutil.ignore_patterns("__pycache__", "tests", ".cache")
    for name in PROJECT:
        source, copy = repo / name, folder / "project" / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, copy, symlinks=True, ignore=ours)
        else:
            shutil.copy(source, copy)


def _artifacts(events: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for file in events.glob("*.json"):
        event = json.loads(file.read_text())
        if event["event"] == "playbook_on_stats":
            found = event["event_data"].get("artifact_data", {})
    return found
