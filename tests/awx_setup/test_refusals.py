# SPDX-License-Identifier: GPL-3.0-or-later
"""What awx_setup and awx_teardown refuse, before anything is changed, with one message that says what to do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.awx_setup.conftest import Playbook
from tests.awx_setup.controller.app import Controller

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def nothing_is_written(controller: Controller) -> Iterator[None]:
    controller.requests.clear()
    yield
    assert {method for method, _ in controller.requests} <= {"GET"}


def test_a_wrong_token(playbook: Playbook) -> None:
    run = playbook("awx_setup", CONTROLLER_OAUTH_TOKEN="not-a-token")

    assert run.code != 0
    assert "Invalid authentication credentials for /api/v2/organizations/ (HTTP 401)" in run.output
    assert "awx_host and awx_token, or CONTROLLER_HOST and CONTROLLER_OAUTH_TOKEN" in run.output
    assert "not-a-token" not in run.output


def test_a_controller_that_is_not_there(playbook: Playbook) -> None:
    run = playbook("awx_teardown", extra={"awx_host": "http://127.0.0.1:1"})

    assert run.code != 0
    assert "Connection refused" in run.output
    assert "awx_host" in run.output


def test_a_project_without_an_address(playbook: Playbook) -> None:
    run = playbook("awx_setup", extra={"awx_project_url": ""})

    assert run.code != 0
    assert "awx_project_url is empty" in run.output


def test_an_inventory_of_nothing(playbook: Playbook) -> None:
    run = playbook("awx_setup", extra={"awx_inventory_from": "clouds"})

    assert run.code != 0
    assert "awx_inventory_from is vms, service or a YAML file of the project, not clouds." in run.output


def test_an_organization_that_is_not_there(playbook: Playbook) -> None:
    run = playbook("awx_setup", extra={"awx_organization": "Nobody's"})

    assert run.code != 0
    assert "There is no organization 'Nobody's'; with awx_organization_create=true it is made." in run.output


def test_an_object_that_somebody_else_made(playbook: Playbook, controller: Controller) -> None:
    made = controller.store.create(
        "projects", {"name": "Hostler / Project", "organization": 1, "description": "mine", "scm_type": ""}
    )

    run = playbook("awx_setup")
    controller.store.delete(made)

    assert run.code != 0
    assert "Somebody else made the project 'Hostler / Project'" in run.output
    assert "awx_take_over=true" in run.output


def test_a_name_that_can_t_be_asked_for(playbook: Playbook) -> None:
    run = playbook("awx_setup", extra={"awx_inventory": "VMs, all of them"})

    assert run.code != 0
    assert "No name may have a comma: VMs, all of them" in run.output
