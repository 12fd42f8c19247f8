# SPDX-License-Identifier: GPL-3.0-or-later
"""A service whose playbooks run at AWX: a stand-in for it, which runs them by ansible-runner on the lab's host.

It is set up as ``awx_setup`` does it with ``awx_for_service``, of the same data; `tests.awx_setup` proves that.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from hostler.settings import Settings
from tests.awx.made import REPO
from tests.awx_setup.controller.app import Controller
from tests.service.conftest import ADMIN_PASSWORD
from tests.service.machines.lab_service import api, clean_host, server

__all__ = ["api", "clean_host", "server"]

DATA = yaml.safe_load((REPO / "playbooks/vars/awx_templates.yml").read_text())
CREATE = "Hostler / Service / Create a VM"
RESIZE = "Hostler / Service / Resize a VM"


class Awx:
    """The stand-in, its templates by their names, and the folder of the site's steps in its project."""

    def __init__(self, controller: Controller, hooks: Path) -> None:
        self.controller = controller
        self.hooks = hooks
        self.templates: dict[str, dict[str, Any]] = {}
        store = controller.store
        store.create("organizations", {"name": "Default"})
        organization = store.all("organizations")[0]["id"]
        project = store.create(
            "projects",
            {"name": "Hostler / Project", "organization": organization, "scm_type": "git", "scm_url": str(REPO)},
        )
        controller.jobs.update_project(project)
        inventory = store.create("inventories", {"name": "Hostler / Hypervisors", "organization": organization})
        for template in DATA["awx_service_templates"]:
            made = store.create(
                "job_templates",
                {
                    "name": f"Hostler / {template['name']}",
                    "project": project["id"],
                    "playbook": f"playbooks/{template['action']}.yml",
                    "inventory": inventory["id"],
                    "survey_enabled": True,
                    "allow_simultaneous": True,
                    "ask_variables_on_launch": True,
                    "extra_vars": json.dumps({"hooks_dir": str(hooks)}),
                },
            )
            made["survey_spec"] = DATA["awx_service_surveys"][template["action"]]
            self.templates[made["name"]] = made

    def add_host(self, name: str, **variables: Any) -> None:
        """Have a host in the inventory of the templates."""
        (inventory,) = self.controller.store.all("inventories")
        host = {"name": name, "inventory": inventory["id"], "variables": json.dumps(variables)}
        self.controller.store.create("hosts", host)

    def hook(self, name: str, *tasks: dict[str, Any]) -> None:
        """Have the site take steps."""
        (self.hooks / f"{name}.yml").write_text(yaml.safe_dump(list(tasks)))

    @property
    def launched(self) -> list[dict[str, Any]]:
        """The jobs there, the oldest first."""
        return [job for job in self.controller.jobs.jobs.values() if job["type"] == "job"]

    def asked(self, method: str, path: str) -> int:
        """How often it was asked so."""
        return sum(1 for asked in self.controller.requests if asked == (method, path))


WAITS: dict[str, Any] = {
    "name": "Wait for the site",
    "ansible.builtin.wait_for": {"path": "{{ hooks_dir }}/gate", "timeout": 60, "sleep": 1},
}
"""A step that takes until `open_gate`."""


def open_gate(awx: Awx) -> None:
    """Let `WAITS` go on."""
    (awx.hooks / "gate").touch()


@pytest.fixture
def awx(tmp_path: Path) -> Iterator[Awx]:
    """An AWX with the templates for a service."""
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    with Controller(tmp_path / "jobs") as controller:
        yield Awx(controller, hooks)


@pytest.fixture
def settings(clean_environment: None, tmp_path: Path, database_url: str, awx: Awx) -> Settings:
    """Settings with which playbooks run at AWX."""
    return settings_of(awx, tmp_path, database_url)


def settings_of(awx: Awx, folder: Path, database_url: str, **others: Any) -> Settings:
    """Settings of a service in ``folder``, impatient ones."""
    return Settings(
        state_dir=folder / "state",
        database_url=database_url,
        admin_password=ADMIN_PASSWORD,
        executor="awx",
        awx_url=awx.controller.url,
        awx_token=awx.controller.access.token,
        awx_timeout_seconds=2,
        awx_absence_seconds=5,
        warm_start=False,
        shutdown_seconds=5,
        **others,
    )
