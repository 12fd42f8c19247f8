# SPDX-License-Identifier: GPL-3.0-or-later
"""The module vm_info, run by Ansible on a real host: what it says, of what is there and of what isn't."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.host import Host
from tests.collection.conftest import Ansible, Tasks
from tests.core.test_python_floor import oldest_python

pytestmark = pytest.mark.lab

NOBODY = "99999999-2222-4333-8444-555555555555"
STATE = {"exists", "name", "uuid", "status", "autostart", "persistent", "unreadable"}


@pytest.fixture(scope="module")
def vm(tasks: Tasks, lab_host: Host) -> dict[str, Any]:
    """A VM that is off, as the module vm says it."""
    options = {"cpu_cores": 1, "memory_mb": 128, "disk_gb": 0.125, "virt_type": lab_host.virt_type, "tags": ["a"]}
    found: dict[str, Any] = tasks(make={**options, "name": "info-1"})["make"]["vm"]
    return found


def test_a_vm_is_told_of_in_the_words_of_the_module_vm_in_check_mode_too(tasks: Tasks, vm: dict[str, Any]) -> None:
    answers = tasks(
        module="vm_info",
        by_name={"name": "info-1"},
        checked={"name": "info-1", "check_mode": True, "diff": True},
        again={"name": ["info-1"]},
        by_uuid={"uuid": vm["uuid"].upper()},
        by_pattern={"pattern": "info-?"},
        all={},
        state={"name": "info-1", "gather": []},
        several={"name": ["nobody", "info-1"], "uuid": NOBODY, "pattern": "nobody*"},
        nobody={"name": "nobody"},
        nothing={"name": []},
    )

    assert not any(answer["changed"] or answer.get("failed") for answer in answers.values())
    (told,) = answers["by_name"]["vms"]
    assert {key: told[key] for key in vm} == vm
    assert set(told) - set(vm) == {"exists", "persistent", "unreadable", "addresses", "statistics"}
    assert told["unreadable"] == []
    for same in ("checked", "again", "by_uuid", "by_pattern"):
        assert answers[same]["vms"] == [told], same
    assert told in answers["all"]["vms"]
    assert set(answers["state"]["vms"][0]) == STATE
    assert answers["several"]["vms"] == [
        {"exists": False, "name": "nobody"}, told, {"exists": False, "uuid": NOBODY},
    ]  # fmt: skip
    assert answers["nobody"]["vms"] == [{"exists": False, "name": "nobody"}]
    assert answers["nothing"]["vms"] == []


@pytest.mark.slow
def test_bad_input_is_refused_by_its_field_in_check_mode_too(tasks: Tasks) -> None:
    bad: dict[str, tuple[dict[str, Any], str, str | None]] = {
        "empty_name": ({"name": ""}, "invalid_spec", "name.0"),
        "no_uuid": ({"uuid": [NOBODY, "x"]}, "invalid_spec", "uuid.1"),
        "empty_pattern": ({"pattern": ""}, "invalid_spec", "pattern.0"),
        "no_time": ({"timeout": 0}, "invalid_spec", "timeout"),
        "no_host": ({"uri": "qemu:///system?socket=/nowhere"}, "host_unreachable", None),
    }

    answers = tasks(
        module="vm_info",
        unknown={"gather": ["weather"]},
        **{name: options for name, (options, *_) in bad.items()},
        **{f"{name}_checked": {**options, "check_mode": True} for name, (options, *_) in bad.items()},
    )

    assert "spec, addresses, statistics" in answers["unknown"]["msg"]
    for name, (_, code, field) in bad.items():
        for answer in (answers[name], answers[f"{name}_checked"]):
            assert answer["failed"] is True, name
            assert (answer["code"], answer["field"]) == (code, field), name
            assert "Traceback" not in str(answer), name


def test_the_groups_uri_serves_every_module(
    ansible: Ansible, lab_host: Host, vm: dict[str, Any], tmp_path: Path
) -> None:
    nowhere = "qemu:///system?socket=/nowhere"
    works = [
        {"hostler.libvirt.vm": {"name": "info-1", "create": False}},
        {"hostler.libvirt.vm_info": {"name": "info-1"}},
        {"hostler.libvirt.vm_power": {"name": "info-1", "operation": "stop"}},
    ]
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "module_defaults": {"group/hostler.libvirt.libvirt": {"uri": lab_host.uri}},
        "tasks": works,
    }
    playbook = tmp_path / "play.yml"
    playbook.write_text(yaml.safe_dump([play]))

    run = ansible(playbook, LIBVIRT_DEFAULT_URI=nowhere)

    assert run.code == 0, run.output
    assert "ok=3 " in run.output


def test_a_host_without_the_library_is_told_what_to_install(tasks: Tasks) -> None:
    python = oldest_python()
    if python is None:
        pytest.skip("there is no Python without libvirt on this machine")

    answer = tasks(interpreter=python, module="vm_info", run={})["run"]

    assert answer["failed"] is True
    assert "libvirt-python" in answer["msg"]
