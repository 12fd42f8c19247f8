# SPDX-License-Identifier: GPL-3.0-or-later
"""The module vm_cdrom, run by Ansible on a real host: what it foretells, does once, and how it fails."""

from typing import Any

import pytest

from lab.host import Host
from tests.collection.conftest import Tasks
from tests.collection.test_vm_disk import foretold

pytestmark = pytest.mark.lab

# in an order in which each has something to do; any volume will do as a medium
LIFE: dict[str, dict[str, Any]] = {
    "insert": {"volume": "tiny.qcow2", "pool": "images"},
    "eject": {"state": "ejected"},
    "away": {"state": "absent"},
}


@pytest.fixture(scope="module", autouse=True)
def vm(clean_host: None, tasks: Tasks, lab_host: Host) -> None:
    """A VM with a blank disk, off."""
    options = {"cpu_cores": 1, "memory_mb": 64, "disk_gb": 0.125, "virt_type": lab_host.virt_type}
    tasks(make={**options, "name": "cdrom-vm"})


@pytest.mark.slow
def test_a_medium_is_foretold_by_check_mode_inserted_once_and_not_again(tasks: Tasks) -> None:
    wanted: dict[str, dict[str, Any]] = {}
    for name in LIFE:
        one = {"name": "cdrom-vm", "diff": True, **LIFE[name]}
        wanted |= {f"{name}_checked": {**one, "check_mode": True}, f"{name}_done": one, f"{name}_again": one}

    answers = tasks(module="vm_cdrom", **wanted)

    for name in LIFE:
        checked, done, again = (answers[f"{name}_{when}"] for when in ("checked", "done", "again"))
        assert checked["changed"] is True, name
        assert foretold(done) == foretold(checked), name
        assert (again["changed"], again["diff"]) == (False, {"before": {}, "after": {}}), name
    assert answers["insert_checked"]["cdrom"] is None
    assert answers["insert_done"]["cdrom"]["medium"].endswith("/tiny.qcow2")
    assert answers["eject_done"]["cdrom"]["medium"] is None
    assert answers["away_done"]["cdrom"] is None


@pytest.mark.slow
def test_bad_input_is_refused_by_its_field_in_check_mode_too(tasks: Tasks) -> None:
    vm = {"name": "cdrom-vm"}
    bad: dict[str, tuple[dict[str, Any], str, str | None]] = {
        "nobody": ({"name": "nobody"}, "vm_not_found", "name"),
        "relative": ({**vm, "path": "x.iso"}, "invalid_spec", "path"),
        "volume": ({**vm, "volume": "nowhere"}, "volume_not_found", "volume"),
        "pool": ({**vm, "volume": "x", "pool": "nowhere"}, "pool_not_found", None),
        "disk": ({**vm, "target": "vda", "state": "ejected"}, "invalid_spec", "target"),
        "both": ({**vm, "path": "/x", "volume": "x"}, "invalid_spec", "volume"),
    }

    answers = tasks(
        module="vm_cdrom",
        **{name: options for name, (options, *_) in bad.items()},
        **{f"{name}_checked": {**options, "check_mode": True} for name, (options, *_) in bad.items()},
        whose={"state": "ejected"},
    )

    for name, (_, code, field) in bad.items():
        for answer in (answers[name], answers[f"{name}_checked"]):
            assert answer["failed"] is True, name
            assert (answer["code"], answer["field"]) == (code, field), name
            assert "Traceback" not in str(answer), name
    assert "name, uuid" in answers["whose"]["msg"]
