# SPDX-License-Identifier: GPL-3.0-or-later
"""The templates for a Hostler service: made where they are wanted, and what the service expects of them."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from hostler.awx.controller import Controller as Launcher
from hostler.awx.template import read_template
from hostler.settings import Settings
from tests.awx.made import REPO
from tests.awx_setup.conftest import Playbook
from tests.awx_setup.controller.app import Controller

pytestmark = [pytest.mark.slow, pytest.mark.anyio]

DATA = yaml.safe_load((REPO / "playbooks/vars/awx_templates.yml").read_text())


async def test_templates_for_a_service(
    playbook: Playbook, controller: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = ("vm_create", "vm_wait", "vm_configure", "vm_report", "vm_snapshot")
    few: dict[str, Any] = {"awx_templates": [one for one in DATA["awx_templates"] if one["action"] in steps]}

    without = playbook("awx_setup", extra=few)
    assert without.code == 0, without.output
    assert not [one for one in controller.store.all("job_templates") if "Service" in one["name"]]
    checked = playbook("awx_setup", "--check", extra=few | {"awx_for_service": True})
    assert "Hostler / Service / Create a VM" in checked.output
    made = playbook("awx_setup", extra=few | {"awx_for_service": True})
    assert made.code == 0, made.output
    assert made.changed_of("Have the job templates for a service") == ["Service / Create a VM", "Service / Resize a VM"]
    assert playbook("awx_setup", extra=few | {"awx_for_service": True}).changed == 0

    monkeypatch.setattr("hostler.settings.config_file", lambda: None)
    settings = Settings(executor="awx", awx_url=controller.url, awx_token=controller.access.token)
    launcher = Launcher(settings)
    for action in ("vm_create", "vm_resize"):
        template = await read_template(launcher._client, launcher.template_of(action), "Default")
        assert template.takes_any
        assert template.questions.get("vm_cloud_init") == ("password" if action == "vm_create" else None)
        assert template.questions["hostler_job"] == "text"
    await launcher.close()

    # whoever takes it down need not know that they were wanted
    gone = playbook("awx_teardown", extra=few)
    assert gone.code == 0, gone.output
    assert controller.store.all("job_templates") == []
    assert controller.store.all("projects") == []
