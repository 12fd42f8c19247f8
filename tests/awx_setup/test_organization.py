# SPDX-License-Identifier: GPL-3.0-or-later
"""An organization is made when it is asked for, and goes only when nothing of others is left in it."""

from __future__ import annotations

import pytest
import yaml

from tests.awx.made import REPO
from tests.awx_setup.conftest import Playbook
from tests.awx_setup.controller.app import Controller

pytestmark = pytest.mark.slow

STEPS = {"vm_create", "vm_wait", "vm_configure", "vm_report", "vm_snapshot"}


def test_an_organization_of_our_own(playbook: Playbook, controller: Controller) -> None:
    templates = yaml.safe_load((REPO / "playbooks/vars/awx_templates.yml").read_text())["awx_templates"]
    extra = {
        "awx_organization": "Virtual machines",
        "awx_organization_create": True,
        "awx_prefix": "VM: ",
        "awx_inventory_from": "service",
        "awx_templates": [template for template in templates if template["action"] in STEPS],
        "awx_take_over": True,
    }
    # by variables, and with a password
    access = {
        "awx_host": controller.url,
        "awx_username": controller.access.username,
        "awx_password": controller.access.password,
    }
    nowhere = {"CONTROLLER_HOST": "http://127.0.0.1:1", "CONTROLLER_OAUTH_TOKEN": ""}
    taken_over = controller.store.create(
        "execution_environments", {"name": "VM: Execution environment", "image": "old"}
    )

    made = playbook("awx_setup", "-v", extra=extra | access, **nowhere)
    assert made.code == 0, made.output
    assert controller.access.password not in made.output
    assert taken_over["image"] == "localhost/hostler-ee:1"
    assert taken_over["description"].endswith("Made by hostler.libvirt.awx_setup.")
    organizations = {one["name"]: one for one in controller.store.all("organizations")}
    ours = organizations["Virtual machines"]
    assert {template["organization"] for template in controller.store.all("job_templates")} == {ours["id"]}
    assert {template["name"][:4] for template in controller.store.all("job_templates")} == {"VM: "}
    assert controller.store.all("inventory_sources")[0]["source_path"] == "inventory/hostler_service.yml"

    theirs = controller.store.create("teams", {"name": "Night shift", "organization": ours["id"]})
    gone = playbook("awx_teardown", extra=extra)
    assert gone.code == 0, gone.output
    assert "The organization Virtual machines stays, since others have something there: Night shift." in gone.output
    assert [one["name"] for one in controller.store.all("organizations")] == ["Default", "Virtual machines"]

    controller.store.delete(theirs)
    assert playbook("awx_teardown", extra=extra).code == 0
    assert [one["name"] for one in controller.store.all("organizations")] == ["Default"]
    assert {kind for kind, objects in controller.store.objects.items() if objects} == {"organizations"}
