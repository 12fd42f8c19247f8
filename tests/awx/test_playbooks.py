# SPDX-License-Identifier: GPL-3.0-or-later
"""Each playbook that people run from AWX, with what AWX sends of its survey, on each ansible-core."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from lab.host import Host
from tests.awx.answers import answered
from tests.awx.job import Finished
from tests.core.actions.guests import KEY, named

SIZES = {"vm_cpu_cores": 1, "vm_memory_mb": 64, "vm_disk_gb": 0.125}

pytestmark = [pytest.mark.lab, pytest.mark.slow]

Launch = Callable[..., Finished]
HOSTILE = "{{ lookup('pipe', 'id') }} {% raw %} $(id) ' \" </hostler:description>"
LIKE_DATA = "[1, true]"


@pytest.fixture(scope="module")
def done(launch: Launch, surveys: dict[str, Any]) -> Callable[..., Any]:
    """What workflows are told by a playbook, launched with these answers to its survey, when it has succeeded."""

    def run(playbook: str, **answers: Any) -> dict[str, Any]:
        finished = launch(playbook, answered(surveys[playbook], **answers))
        assert finished.code == 0, finished.output
        return finished.artifacts

    return run


@pytest.fixture
def here(lab_hosts: list[Host]) -> Iterator[Hypervisor]:
    with Hypervisor.open(lab_hosts[0].uri) as opened:
        yield opened


@pytest.fixture
def there(lab_hosts: list[Host]) -> Iterator[Hypervisor]:
    with Hypervisor.open(lab_hosts[1].uri) as opened:
        yield opened


@pytest.fixture
def like_data(environment: Path) -> str:
    """A text that reads as a list. Ansible before 2.19 makes one of it before any module sees it (docs/awx.md)."""
    return LIKE_DATA if environment.name.endswith("2.19") else LIKE_DATA.replace(",", "")


def test_a_vm_s_whole_life_by_the_answers_to_surveys(
    launch: Launch,
    surveys: dict[str, Any],
    done: Callable[..., Any],
    here: Hypervisor,
    there: Hypervisor,
    like_data: str,
) -> None:
    made = done(
        "vm_create", vm_name="life", vm_cpu_cores=1, vm_memory_mb=128, vm_disk_gb=0.5, vm_image="tiny.qcow2",
        vm_image_pool="images", vm_tags="web, front", vm_ssh_authorized_keys=f"{KEY}\n\n  {KEY} other\n",
        vm_hostname="life.example.com", vm_description=HOSTILE, vm_owner=like_data, vm_os_version="12",
        vm_start="true", vm_wait_for="agent", hypervisor="kvm1",
    )["vm"]  # fmt: skip
    assert (made["name"], made["status"], made["memory_mb"], made["cpu_cores"]) == ("life", "running", 128, 1)
    assert made["tags"] == ["web", "front"]
    vm = named(here, "life")
    assert vm.record is not None
    assert (vm.record.description, vm.record.owner, vm.record.os_version) == (HOSTILE, like_data, "12")

    assert done("vm_pause", vm_name="life")["vm"]["status"] == "paused"
    assert done("vm_resume", vm_name="life")["vm"]["status"] == "running"
    assert done("vm_restart", vm_name="life", vm_timeout=90)["vm"]["status"] == "running"
    assert done("vm_reset", vm_name="life")["vm"]["status"] == "running"
    assert done("vm_stop", vm_name="life", vm_force_after=1)["vm"]["status"] == "stopped"
    assert done("vm_start", vm_name="life")["vm"]["status"] == "running"
    assert done("vm_force_stop", vm_name="life")["vm"]["status"] == "stopped"
    resized = done("vm_resize", vm_name="life", vm_memory_mb=160, vm_disk_gb=1)["vm"]
    assert (resized["memory_mb"], resized["cpu_cores"]) == (160, 1)
    assert named(here, "life").disk_gb == 1

    taken = done("vm_snapshot", vm_name="life", vm_snapshot="before", vm_snapshot_description=like_data)
    assert (taken["snapshot"]["name"], taken["snapshot"]["description"]) == ("before", like_data)
    assert done("vm_revert", vm_name="life", vm_snapshot="before")["snapshot"]["name"] == "before"
    done("vm_snapshot", vm_name="life", vm_snapshot="before", vm_snapshot_state="absent")

    cloned = done("vm_clone", vm_name="life-2", vm_source="life", vm_hostname="two", vm_tags="web")["vm"]
    assert (cloned["name"], cloned["status"], cloned["tags"]) == ("life-2", "stopped", ["web"])

    done(
        "vm_create", vm_name="life-3", **SIZES, vm_pool="local", vm_network_type="none", hypervisor="kvm1",
    )  # fmt: skip
    moved = done("vm_migrate", vm_name="life-3", vm_migrate_destination="kvm2", vm_migrate_storage="copied",
                 vm_migrate_delete_source_disks="true", hypervisor="kvm1")  # fmt: skip
    assert (moved["vm"]["name"], moved["left"]) == ("life-3", [])
    assert named(there, "life-3").name == "life-3"

    both = done("vm_start", vm_name="life, life-2")
    assert [vm["status"] for vm in both["vms"]] == ["running", "running"]
    some = launch("vm_pause", answered(surveys["vm_pause"], vm_name="life,nobody,life-2"))
    assert some.code != 0
    assert "nobody" in some.output
    assert [vm["status"] for vm in some.artifacts["vms"]] == ["paused", "paused"]
    assert done("vm_delete", vm_name=" life ")["deleted_disks"] != []
    assert done("vm_delete", vm_name="life-2", vm_delete_disks="false")["deleted_disks"] == []
    done("vm_delete", vm_name="life-3", hypervisor="kvm2")
    assert {domain.name for domain in here.domains()} == set()
    assert {domain.name for domain in there.domains()} == set()


@pytest.mark.parametrize(
    ("playbook", "answers", "says"),
    [
        (
            "vm_create",
            {"vm_name": "-web", **SIZES},
            "name: must be 1 to 63",
        ),
        ("vm_start", {"vm_name": "nobody"}, "nobody"),
        ("vm_delete", {"vm_name": "nobody", "hypervisor": "kvm9"}, "Could not match supplied host pattern"),
        ("vm_delete", {"vm_name": "nobody", "hypervisor": "kvm*"}, "hypervisor: kvm* is 2 hosts, and one is needed"),
        ("vm_resize", {"vm_name": "nobody", "vm_cpu_cores": 1}, "nobody"),
        ("vm_revert", {"vm_name": "nobody", "vm_snapshot": "x"}, "nobody"),
        ("vm_clone", {"vm_name": "x", "vm_source": "nobody"}, "nobody"),
        (
            "vm_migrate",
            {"vm_name": "nobody", "vm_migrate_destination": "kvm9"},
            "no host of the inventory is called kvm9",
        ),
        ("vm_migrate", {"vm_name": "nobody", "vm_migrate_destination": "{{ 6 * 7 }}"}, "called {{ 6 * 7 }}"),
    ],
)
def test_a_launch_that_can_not_be_fails_with_one_clear_message(
    launch: Launch, surveys: dict[str, Any], playbook: str, answers: dict[str, Any], says: str
) -> None:
    finished = launch(playbook, answered(surveys[playbook], **answers))

    assert finished.code != 0
    assert "failed=1" in finished.output or "hypervisor" in answers, finished.output
    assert says in finished.output.replace("\n", " ")
    assert "Traceback" not in finished.output


@pytest.mark.skipif(os.geteuid() != 0, reason="the playbook is for root")
def test_a_machine_is_prepared_by_the_answers_to_a_survey(
    launch: Launch, surveys: dict[str, Any], done: Callable[..., Any], lab_hosts: list[Host]
) -> None:
    assert done("host_prepare", hypervisor="machine")["host"]["virt_type"] == lab_hosts[0].virt_type

    wrong = answered(surveys["host_prepare"], hypervisor="machine", host_users="nobody-here, root")
    finished = launch("host_prepare", wrong, check=True)
    assert finished.code != 0
    assert "there is no user nobody-here" in finished.output
    wrong = answered(surveys["host_prepare"], hypervisor="machine", host_prepare_service="true")
    finished = launch("host_prepare", wrong, check=True)
    assert finished.code != 0
    assert "service_package: what pip installs is missing" in finished.output


def test_check_mode_changes_nothing(launch: Launch, surveys: dict[str, Any], here: Hypervisor) -> None:
    answers = answered(surveys["vm_create"], vm_name="checked", **SIZES, hypervisor="kvm1")

    finished = launch("vm_create", answers, check=True)

    assert finished.code == 0, finished.output
    assert "changed=1" in finished.output
    assert here.find_domain_named("checked") is None
