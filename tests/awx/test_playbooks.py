# SPDX-License-Identifier: GPL-3.0-or-later
"""Each playbook that people run from AWX, with what AWX sends of its survey, on each ansible-core."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from hostler.awx import Launch as Service
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


def launched_by_a_service(host: Host, trace: Path) -> dict[str, Any]:
    """What a service gives AWX, with texts that leave a trace where they are taken for templates."""
    hostile = f"{{{{ lookup('pipe', 'touch {trace}') }}}} {{# … #}} ä💥"
    variables = {
        "vm_name": "by-service",
        **SIZES,
        "vm_disk_gb": 0.25,
        "vm_uuid": "7e57ab1e-0000-4000-8000-000000000009",
        "vm_record_id": 9,
        "vm_owner": "ada",
        "vm_tags": ["a", "b"],
        "vm_metadata": {"note": hostile},
        "vm_description": hostile,
        "vm_network_config": {"type": "none"},
        "vm_image": "tiny.qcow2",
        "vm_image_pool": "images",
        "vm_virt_type": host.virt_type,
        "vm_cloud_init": {"user_data": f"#cloud-config\nnote: {hostile} null\n", "hostname": "web-1"},
        "hypervisor": "localhost",
        "libvirt_uri": host.uri,
    }
    return Service(7, "a mark", variables).extra_vars


def test_a_service_s_launch_is_data_to_the_last_text(
    launch: Launch, here: Hypervisor, lab_hosts: list[Host], tmp_path: Path
) -> None:
    sent = launched_by_a_service(lab_hosts[0], tmp_path / "trace")

    finished = launch("vm_create", sent)

    assert finished.code == 0, finished.output
    vm = finished.artifacts["vm"]
    assert (vm["uuid"], vm["description"], vm["tags"]) == (sent["vm_uuid"], sent["vm_description"], ["a", "b"])
    assert vm["metadata"] == sent["vm_metadata"]
    (seed,) = (file for file in lab_hosts[0].layout.pools["default"].iterdir() if "seed" in file.name)
    assert json.loads(sent["vm_cloud_init"])["user_data"].encode() in seed.read_bytes()
    assert not (tmp_path / "trace").exists()
    assert launch("vm_resize", {"vm_uuid": sent["vm_uuid"], "vm_memory_mb": 96, "hypervisor": "localhost"}).code == 0
    here.domain(sent["vm_uuid"]).undefine()


@pytest.mark.parametrize("playbook", ["vm_create", "vm_resize"])
def test_where_awx_takes_texts_for_templates_none_is_looked_at(
    launch: Launch, here: Hypervisor, lab_hosts: list[Host], tmp_path: Path, playbook: str
) -> None:
    sent = launched_by_a_service(lab_hosts[0], tmp_path / "trace")

    finished = launch(playbook, sent, allow_jinja="always")

    assert finished.code != 0
    assert 'its setting ALLOW_JINJA_IN_EXTRA_VARS is \\"always\\"' in finished.output.replace("\n", " ")
    assert not (tmp_path / "trace").exists()
    assert here.find_domain_named("by-service") is None


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
