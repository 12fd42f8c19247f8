# SPDX-License-Identifier: GPL-3.0-or-later
"""The module vm_nic, run by Ansible on a real host: what it foretells, does once, and how it fails."""

from typing import Any

import pytest

from lab.host import Host
from tests.collection.conftest import Tasks
from tests.collection.test_vm_disk import foretold

pytestmark = pytest.mark.lab

# in an order in which each has something to do
LIFE: dict[str, dict[str, Any]] = {
    "attach": {"alias": "second", "model": "e1000e"},
    "change": {"alias": "second", "link": "down", "bandwidth": {"inbound": {"average": 1000}}},
    "detach": {"alias": "second", "state": "absent"},
}


@pytest.fixture(scope="module", autouse=True)
def vm(clean_host: None, tasks: Tasks, lab_host: Host) -> None:
    """A VM with a blank disk, off."""
    options = {"cpu_cores": 1, "memory_mb": 64, "disk_gb": 0.125, "virt_type": lab_host.virt_type}
    tasks(make={**options, "name": "nic-vm"})


@pytest.mark.slow
def test_a_card_is_foretold_by_check_mode_attached_once_and_not_again(tasks: Tasks) -> None:
    wanted: dict[str, dict[str, Any]] = {}
    for name in LIFE:
        one = {"name": "nic-vm", "diff": True, **LIFE[name]}
        wanted |= {f"{name}_checked": {**one, "check_mode": True}, f"{name}_done": one, f"{name}_again": one}

    answers = tasks(module="vm_nic", **wanted)

    for name in LIFE:
        checked, done, again = (answers[f"{name}_{when}"] for when in ("checked", "done", "again"))
        assert checked["changed"] is True, name
        assert foretold(done) == foretold(checked), name
        assert (again["changed"], again["diff"]) == (False, {"before": {}, "after": {}}), name
    attached = answers["attach_done"]
    assert attached["nic"]["mac_address"] == attached["diff"]["after"]["mac_address"]
    assert answers["change_done"]["nic"]["bandwidth"] == {"inbound": {"average": 1000}}
    assert answers["detach_done"]["nic"] is None


@pytest.mark.slow
def test_bad_input_is_refused_by_its_field_in_check_mode_too(tasks: Tasks) -> None:
    vm = {"name": "nic-vm"}
    bad: dict[str, tuple[dict[str, Any], str, str | None]] = {
        "which": (vm, "invalid_spec", "mac_address"),
        "nobody": ({"name": "nobody", "index": 0}, "vm_not_found", "name"),
        "address": ({**vm, "mac_address": "x"}, "invalid_spec", "mac_address"),
        "index": ({**vm, "index": 7}, "invalid_spec", "index"),
        "bridge": ({**vm, "alias": "a", "type": "bridge"}, "invalid_spec", "bridge_name"),
        "network": ({**vm, "alias": "a", "type": "network", "network_name": "nowhere"}, "invalid_spec", "network_name"),
        "rate": (
            {**vm, "alias": "a", "bandwidth": {"inbound": {"peak": 1}}},
            "invalid_spec",
            "bandwidth.inbound.average",
        ),
    }

    answers = tasks(
        module="vm_nic",
        **{name: options for name, (options, *_) in bad.items()},
        **{f"{name}_checked": {**options, "check_mode": True} for name, (options, *_) in bad.items()},
        whose={"index": 0},
        choice={**vm, "index": 0, "link": "sideways"},
    )

    for name, (_, code, field) in bad.items():
        for answer in (answers[name], answers[f"{name}_checked"]):
            assert answer["failed"] is True, name
            assert (answer["code"], answer["field"]) == (code, field), name
            assert "Traceback" not in str(answer), name
    assert "name, uuid" in answers["whose"]["msg"]
    assert "up, down" in answers["choice"]["msg"]
