# SPDX-License-Identifier: GPL-3.0-or-later
"""The module vm_disk, run by Ansible on a real host: what it foretells, does once, and how it fails."""

from pathlib import Path
from typing import Any

import pytest

from lab.host import Host
from tests.collection.conftest import Tasks

pytestmark = pytest.mark.lab

# in an order in which each has something to do
LIFE: dict[str, dict[str, Any]] = {
    "attach": {"serial": "data", "size_gb": 0.125},
    "change": {"serial": "data", "size_gb": 0.25, "cache": "none", "limits": {"total_iops_sec": 100}},
    "second": {"target": "sda", "volume": "disk-vm-second.raw", "format": "raw", "size_gb": 0.125, "shareable": True},
    "detach": {"serial": "data", "state": "absent", "delete": "owned"},
    "detach_second": {"target": "sda", "state": "absent"},
}


@pytest.fixture(scope="module", autouse=True)
def vm(clean_host: None, tasks: Tasks, lab_host: Host) -> None:
    """A VM with a blank disk, off."""
    options = {"cpu_cores": 1, "memory_mb": 64, "disk_gb": 0.125, "virt_type": lab_host.virt_type}
    tasks(make={**options, "name": "disk-vm"})


def foretold(answer: dict[str, Any]) -> dict[str, Any]:
    """What check mode and a run have to agree on."""
    return {key: answer.get(key) for key in ("changed", "diff", "plan", "next_boot", "deleted_disks", "failed")}


@pytest.mark.parametrize(
    "parts", [("attach", "detach"), pytest.param(tuple(LIFE), marks=pytest.mark.slow)], ids=["come and go", "all"]
)
def test_a_disk_is_foretold_by_check_mode_attached_once_and_not_again(tasks: Tasks, parts: tuple[str, ...]) -> None:
    wanted: dict[str, dict[str, Any]] = {}
    for name in parts:
        one = {"name": "disk-vm", "diff": True, **LIFE[name]}
        wanted[f"{name}_checked"] = {**one, "check_mode": True}
        wanted[f"{name}_done"] = one
        wanted[f"{name}_again"] = one
        wanted[f"{name}_again_checked"] = {**one, "check_mode": True}

    answers = tasks(module="vm_disk", **wanted)

    for name in parts:
        checked, done = answers[f"{name}_checked"], answers[f"{name}_done"]
        assert checked["changed"] is True, name
        assert foretold(done) == foretold(checked), name
        for again in (answers[f"{name}_again"], answers[f"{name}_again_checked"]):
            assert (again["changed"], again["diff"]) == (False, {"before": {}, "after": {}}), name
    assert answers["attach_checked"]["disk"] is None
    assert answers["attach_done"]["disk"]["target"] == "vdb"
    (deleted,) = answers["detach_done"]["deleted_disks"]
    assert deleted == answers["attach_done"]["disk"]["path"]
    assert not Path(deleted).exists()
    if "second" in parts:
        assert answers["change_done"]["diff"]["before"] == {"cache": None, "limits": {}, "size_gb": 0.125}
        assert answers["second_done"]["disk"]["shareable"] is True
        assert answers["detach_second_done"]["deleted_disks"] == []


@pytest.mark.slow
def test_bad_input_is_refused_by_its_field_in_check_mode_too(tasks: Tasks) -> None:
    vm = {"name": "disk-vm"}
    bad: dict[str, tuple[dict[str, Any], str, str | None]] = {
        "which": (vm, "invalid_spec", "target"),
        "nobody": ({"name": "nobody", "target": "vdb"}, "vm_not_found", "name"),
        "uuid": ({"uuid": "x", "target": "vdb"}, "invalid_spec", "uuid"),
        "relative": ({**vm, "path": "x.qcow2"}, "invalid_spec", "path"),
        "format": ({**vm, "path": "/nowhere/x.img"}, "invalid_spec", "format"),
        "volume": ({**vm, "volume": "nowhere"}, "volume_not_found", "volume"),
        "pool": ({**vm, "volume": "x", "pool": "nowhere"}, "pool_not_found", None),
        "size": ({**vm, "target": "vdb"}, "invalid_spec", "size_gb"),
        "root": ({**vm, "target": "vda", "state": "absent"}, "protected", "detach_root"),
        "limit": ({**vm, "target": "vda", "limits": {"read_iops_sec": -1}}, "invalid_spec", "limits.read_iops_sec"),
        "host": ({**vm, "target": "vdb", "uri": "qemu:///system?socket=/nowhere"}, "host_unreachable", None),
    }

    answers = tasks(
        module="vm_disk",
        **{name: options for name, (options, *_) in bad.items()},
        **{f"{name}_checked": {**options, "check_mode": True} for name, (options, *_) in bad.items()},
        whose={"target": "vdb"},
        choice={**vm, "target": "vdb", "cache": "some"},
    )

    for name, (_, code, field) in bad.items():
        for answer in (answers[name], answers[f"{name}_checked"]):
            assert answer["failed"] is True, name
            assert (answer["code"], answer["field"]) == (code, field), name
            assert "Traceback" not in str(answer), name
    assert "name, uuid" in answers["whose"]["msg"]
    assert "writethrough" in answers["choice"]["msg"]
