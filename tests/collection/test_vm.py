# SPDX-License-Identifier: GPL-3.0-or-later
"""The module vm, run by Ansible on a real host: what it says, does, says in check mode, and how it fails.

The tasks of a test run in one play, as starting Ansible takes most of the time.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from lab.host import Host
from tests.collection.conftest import Ansible, Tasks
from tests.core.machines import MIB
from tests.core.test_python_floor import oldest_python

pytestmark = pytest.mark.lab

SECRET = "hunter2-the-user-data"
SECRETS = {"user_data": f"#cloud-config\npassword: {SECRET}\n", "network_config": f"wifi: {SECRET}"}
SMALL = {"cpu_cores": 1, "memory_mb": 128, "disk_gb": 0.125}


@pytest.fixture
def vm(lab_host: Host) -> dict[str, Any]:
    """The options of a small VM with a blank disk."""
    return {**SMALL, "name": "module-vm", "virt_type": lab_host.virt_type, "image_pool": "images"}


def said(answer: dict[str, Any]) -> dict[str, Any]:
    """What check mode and a run have to agree on."""
    return {key: answer.get(key) for key in ("changed", "diff", "plan", "deleted_disks", "failed")}


def test_the_life_of_a_vm_is_foretold_by_check_mode_done_once_and_not_again(tasks: Tasks, vm: dict[str, Any]) -> None:
    life: dict[str, dict[str, Any]] = {
        "create": {**vm, "cloud_init": {"hostname": "h", "user_data": SECRET}, "tags": ["a"], "state": "present"},
        "start": {"name": "module-vm", "state": "running"},
        "grow": {"name": "module-vm", "create": False, "memory_mb": 144, "disk_gb": 0.1875, "live": True},
        "describe": {
            "name": "module-vm",
            "description": "mail",
            "tags": ["b"],
            "metadata": {"rack": "7"},
            "os_version": "12",
            "autostart": True,
        },
        "pause": {"name": "module-vm", "state": "paused"},
        "save": {"name": "module-vm", "state": "saved"},
        "restore": {"name": "module-vm", "state": "running"},
        "stop": {"name": "module-vm", "state": "stopped", "force_after": 0},
        "resize": {"name": "module-vm", "create": False, "cpu_cores": 2, "memory_mb": 160, "disk_gb": 0.25},
        "delete": {"name": "module-vm", "state": "absent"},
    }
    wanted: dict[str, dict[str, Any]] = {}
    for name, options in life.items():
        wanted[f"{name}_checked"] = {**options, "check_mode": True, "diff": True}
        wanted[f"{name}_done"] = {**options, "diff": True}
        wanted[f"{name}_again"] = {**options, "diff": True}

    answers = tasks(**wanted)

    for name in life:
        checked, done, again = (answers[f"{name}_{when}"] for when in ("checked", "done", "again"))
        assert checked["changed"] is True, name
        if name != "delete":
            assert said(done) == said(checked), name
        assert again["changed"] is False, name
        assert again["diff"] == {"before": {}, "after": {}}
    assert answers["create_checked"]["vm"] is None
    assert answers["create_done"]["diff"]["after"]["cloud_init"] == {"hostname": "h", "user_data": "(not shown)"}
    assert answers["create_done"]["vm"]["status"] == "stopped"
    assert answers["start_checked"]["vm"]["status"] == "stopped"
    assert answers["start_done"]["diff"] == {"before": {"state": "stopped"}, "after": {"state": "running"}}
    assert answers["start_done"]["vm"]["status"] == "running"
    assert answers["grow_done"]["diff"] == {
        "before": {"memory_mb": 128, "disk_gb": 0.125}, "after": {"memory_mb": 144, "disk_gb": 0.188},
    }  # fmt: skip
    assert [step["applies"] for step in answers["grow_done"]["plan"]] == ["next_boot", "now"]
    assert answers["grow_checked"]["next_boot"] == answers["grow_done"]["next_boot"] == ["memory_mb"]
    assert answers["grow_done"]["vm"]["status"] == "running"
    assert answers["describe_done"]["diff"] == {
        "before": {"description": None, "tags": ["a"], "metadata": {}, "os_version": None, "autostart": False},
        "after": {
            "description": "mail",
            "tags": ["a", "b"],
            "metadata": {"rack": "7"},
            "os_version": "12",
            "autostart": True,
        },
    }
    assert [answers[f"{name}_done"]["vm"]["status"] for name in ("pause", "save", "restore", "stop")] == [
        "paused", "saved", "running", "stopped",
    ]  # fmt: skip
    assert answers["resize_done"]["diff"] == {
        "before": {"cpu_cores": 1, "memory_mb": 144, "disk_gb": 0.188},
        "after": {"cpu_cores": 2, "memory_mb": 160, "disk_gb": 0.25},
    }
    assert [step["applies"] for step in answers["resize_done"]["plan"]] == ["off", "off"]
    assert answers["resize_done"]["vm"]["disk_gb"] == 0.25
    assert said(answers["delete_done"]) == said(answers["delete_checked"])
    assert len(answers["delete_done"]["deleted_disks"]) == 2
    assert not any(Path(path).exists() for path in answers["delete_done"]["deleted_disks"])
    assert (answers["delete_again"]["vm"], answers["delete_again"]["deleted_disks"]) == (None, [])
    assert SECRET not in str(answers)


def test_many_vms_share_what_the_task_says_and_hide_what_is_secret(tasks: Tasks, vm: dict[str, Any]) -> None:
    shared = {name: value for name, value in vm.items() if name != "name"}
    screen = {"password": "f1eet-pw"}
    several = [
        {"name": "fleet-1", "cloud_init": SECRETS, "graphics": screen},
        {"name": "fleet-2", "memory_mb": "144", "state": "running"},
    ]
    gone = {"vms": [{"name": "fleet-1"}, {"name": "fleet-2"}], "state": "absent"}
    answers = tasks(
        made={**shared, "vms": several, "diff": True},
        again={**shared, "vms": several},
        unknown={**shared, "vms": [{"name": "fleet-3", "colour": "red", "cloud_init": SECRETS}]},
        mistyped={**shared, "vms": [{"name": "fleet-3", "cpu_cores": "many"}]},
        nameless={**shared, "vms": [{"memory_mb": 64}]},
        both={**shared, "name": "x", "vms": []},
        gone=gone,
    )

    assert [one["vm"]["memory_mb"] for one in answers["made"]["vms"]] == [128, 144]
    assert [one["vm"]["status"] for one in answers["made"]["vms"]] == ["stopped", "running"]
    assert answers["again"]["changed"] is False
    assert "colour. Supported parameters include" in answers["unknown"]["msg"]
    assert (answers["unknown"]["field"], answers["unknown"]["code"]) == ("vms.0", "invalid_spec")
    assert "'many'" in answers["mistyped"]["msg"]
    assert "one of the following is required: name, uuid" in answers["nameless"]["msg"]
    assert "mutually exclusive" in answers["both"]["msg"]
    assert [len(one["deleted_disks"]) for one in answers["gone"]["vms"]] == [2, 1]
    assert SECRET not in str(answers)
    assert "f1eet-pw" not in str(answers)


def test_secrets_of_a_list_are_hidden_however_they_are_written(
    ansible: Ansible, vm: dict[str, Any], tmp_path: Path
) -> None:
    entries = tmp_path / "entries.json"
    entries.write_text(
        json.dumps(
            {
                "entries": [
                    {**vm, "name": "shy-1", "graphics": '{"password": "s3cr3t-1"}'},
                    {**vm, "name": "shy-2", "graphics": "type=vnc password=s3cr3t-2"},
                    {**vm, "name": "shy-3", "cloud_init": {"user_data": ["s3cr3t-3"]}},
                    {**vm, "name": "shy-4", "graphics": [{"password": "s3cr3t-4"}]},
                    {"xml": {"passwd": "s3cr3t-5"}},
                ]
            }
        )
    )
    playbook = tmp_path / "play.yml"
    task = {"hostler.libvirt.vm": {"vms": "{{ entries }}"}, "check_mode": True}
    playbook.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": [task]}]))

    run = ansible(playbook, "-vvv", "-e", f"@{entries}")

    assert run.code != 0
    assert "vms.3: argument 'graphics' is of type list" in run.output
    assert "s3cr3t" not in run.output


@pytest.mark.slow
def test_a_failure_says_its_code_and_its_field_in_check_mode_too(tasks: Tasks, vm: dict[str, Any]) -> None:
    bad: dict[str, tuple[dict[str, Any], str, str | None, str]] = {
        "bad_name": ({**vm, "name": "x y"}, "invalid_spec", "name", "name: must be 1 to 63"),
        "too_much": ({**vm, "cpu_cores": 513}, "invalid_spec", "cpu_cores", "at most 512"),
        "too_little": ({**vm, "memory_mb": 1}, "invalid_spec", "memory_mb", "at least 32 MiB"),
        "no_number": ({**vm, "disk_gb": float("nan")}, "invalid_spec", "disk_gb", "finite"),
        "no_size": ({"name": "x", "cpu_cores": 1, "memory_mb": 64}, "invalid_spec", "disk_gb", "disk_gb: is required"),
        "nested": (
            {**vm, "network_config": {"type": "bridge"}},
            "invalid_spec",
            "network_config.bridge_name",
            "is required for type bridge",
        ),
        "nested_in_a_list": (
            {**vm, "disks": [{"size_gb": 1}, {"size_gb": 0}]},
            "invalid_spec",
            "disks.1.size_gb",
            "must be more than 0 GiB",
        ),
        "two_of_an_address": (
            {**vm, "nics": [{"mac_address": "52:54:00:12:34:56"}, {"mac_address": "52:54:00:12:34:56"}]},
            "invalid_spec",
            "nics.1.mac_address",
            "another card",
        ),
        "no_further_image": (
            {**vm, "disks": [{"size_gb": 1, "image": "nowhere.qcow2"}]},
            "image_not_found",
            "disks.0.image",
            "'nowhere.qcow2' not found",
        ),
        "too_large_for_the_pool": ({**vm, "disk_gb": 65536}, "not_enough_space", "disk_gb", "GiB in all"),
        "smuggled": (
            {**vm, "cloud_init": {"ssh_authorized_keys": ["ssh-rsa AAAA\nssh-rsa BBBB"]}},
            "invalid_spec",
            "cloud_init.ssh_authorized_keys.0",
            "one OpenSSH public key",
        ),
        "no_image": ({**vm, "image": "nowhere.qcow2"}, "image_not_found", "image", "'nowhere.qcow2' not found"),
        "no_pool": ({**vm, "pool": "nowhere"}, "pool_not_found", None, "nowhere"),
        "nul_pool": ({**vm, "pool": "a\x00b"}, "invalid_spec", "pool", "control character"),
        "no_uuid": ({"uuid": "x", "state": "absent"}, "invalid_spec", "uuid", "is not a UUID"),
        "no_vm": ({"name": "nobody", "create": False}, "vm_not_found", "name", "'nobody' not found"),
        "no_host": ({**vm, "uri": "qemu:///system?socket=/nowhere"}, "host_unreachable", None, "Failed to connect"),
    }
    checked = {f"{name}_checked": {**options, "check_mode": True} for name, (options, *_) in bad.items()}
    done = {name: bad[name][0] for name in ("bad_name", "no_image", "no_vm")}

    answers = tasks(**checked, **done)

    for name, (_, code, field, message) in bad.items():
        for answer in (answers[f"{name}_checked"], answers.get(name, answers[f"{name}_checked"])):
            assert answer["failed"] is True, name
            assert (answer["code"], answer["field"]) == (code, field), name
            assert message in answer["msg"], name
            assert "Traceback" not in str(answer), name


def test_what_ansible_itself_refuses_it_refuses_by_name(tasks: Tasks, vm: dict[str, Any]) -> None:
    answers = tasks(
        unknown={**vm, "cpus": 2},
        nested={**vm, "network_config": {"typ": "nat"}},
        sizeless={**vm, "disks": [{"bus": "scsi"}]},
        choice={**vm, "state": "gone"},
        nameless=SMALL,
        text={**vm, "cpu_cores": "many"},
    )

    assert all(answer["failed"] for answer in answers.values())
    assert "cpus" in answers["unknown"]["msg"]
    assert "typ" in answers["nested"]["msg"]
    assert "size_gb" in answers["sizeless"]["msg"]
    assert "present, running, stopped, restarted, paused, saved, absent" in answers["choice"]["msg"]
    assert "name, uuid" in answers["nameless"]["msg"]
    assert "cpu_cores" in answers["text"]["msg"]


@pytest.mark.slow
def test_a_vm_with_all_that_a_new_one_can_have(tasks: Tasks, vm: dict[str, Any]) -> None:
    address = "52:54:00:ab:cd:ef"
    whole = {
        **vm,
        "firmware": "uefi",
        "secure_boot": True,
        "tpm": True,
        "max_cpu_cores": 4,
        "max_memory_mb": 256,
        "disks": [{"size_gb": 0.25, "bus": "scsi"}, {"size_gb": 1, "image": "tiny.qcow2", "image_mode": "backing"}],
        "network_config": {"type": "none"},
        "nics": [{"model": "e1000e", "mac_address": address.upper()}, {}],
    }

    answers = tasks(
        checked={**whole, "check_mode": True, "diff": True},
        done={**whole, "diff": True},
        again={**whole, "diff": True},
        gone={"name": whole["name"], "state": "absent"},
    )

    assert said(answers["done"]) == said(answers["checked"])
    assert (answers["again"]["changed"], answers["again"].get("msg")) == (False, None)
    made = answers["done"]["vm"]
    assert (made["firmware"], made["secure_boot"], made["tpm"]) == ("uefi", True, True)
    assert (made["max_cpu_cores"], made["max_memory_mb"]) == (4, 256)
    assert [(disk["target"], disk["size"]) for disk in made["disks"]] == [
        ("vda", 128 * MIB),
        ("vdb", 1024 * MIB),
        ("sda", 256 * MIB),
    ]
    assert [card["model"] for card in made["nics"]] == ["e1000e", "virtio"]
    assert made["nics"][0]["mac_address"] == made["mac_address"] == address
    assert len(answers["gone"]["deleted_disks"]) == 3


def test_a_host_without_the_library_is_told_what_to_install(tasks: Tasks) -> None:
    python = oldest_python()
    if python is None:
        pytest.skip("there is no Python without libvirt on this machine")

    answer = tasks(interpreter=python, run={"name": "x", "state": "absent"})["run"]

    assert answer["failed"] is True
    assert "libvirt-python" in answer["msg"]
    assert "Traceback" not in answer["msg"]


def test_the_uri_is_the_option_before_the_environment(tasks: Tasks, lab_host: Host) -> None:
    nowhere = {"LIBVIRT_DEFAULT_URI": "qemu:///system?socket=/nowhere"}
    absent = {"name": "nobody", "state": "absent"}

    answers = tasks(
        by_environment=absent,
        by_option={**absent, "uri": lab_host.uri, "environment": nowhere},
        by_wrong_environment={**absent, "environment": nowhere},
        by_empty_option={**absent, "uri": ""},
    )

    assert {name: answer.get("failed", False) for name, answer in answers.items()} == {
        "by_environment": False,
        "by_option": False,
        "by_wrong_environment": True,
        "by_empty_option": False,
    }


def test_secrets_are_nowhere_in_the_output(ansible: Ansible, vm: dict[str, Any], tmp_path: Path) -> None:
    playbook = tmp_path / "play.yml"
    options = {**vm, "name": "secretive", "cloud_init": SECRETS, "graphics": {"password": "s3cr3t-9"}}
    playbook.write_text(
        str([{"hosts": "localhost", "gather_facts": False, "tasks": [{"hostler.libvirt.vm": options, "diff": True}]}])
    )

    run = ansible(playbook, "-vvv", "--diff")

    assert run.code == 0, run.output
    assert "(not shown)" in run.output  # that there is some is said
    assert SECRET not in run.output
    assert "s3cr3t-9" not in run.output
