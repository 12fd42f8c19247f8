# SPDX-License-Identifier: GPL-3.0-or-later
"""The module vm_power, run by Ansible on a real host: what it foretells, does, and how it fails."""

from typing import Any

import pytest

from lab.host import Host
from tests.collection.conftest import Tasks

pytestmark = pytest.mark.lab

# in an order in which each has something to do; guests with blank disks hear nothing
LIFE: dict[str, dict[str, Any]] = {
    "start": {},
    "pause": {},
    "resume": {},
    "save": {},
    "restore": {},
    "stop": {"force_after": 0},
}


@pytest.fixture(scope="module", autouse=True)
def vms(clean_host: None, tasks: Tasks, lab_host: Host) -> None:
    """Two VMs with blank disks, off."""
    options = {"cpu_cores": 1, "memory_mb": 64, "disk_gb": 0.125, "virt_type": lab_host.virt_type}
    tasks(**{f"make_{number}": {**options, "name": f"power-{number}"} for number in (1, 2)})


def said(answer: dict[str, Any]) -> dict[str, Any]:
    """What check mode and a run have to agree on."""
    members = [{key: value for key, value in vm.items() if key != "status"} for vm in answer["vms"]]
    return {"changed": answer["changed"], "diff": answer["diff"], "vms": members}


@pytest.mark.parametrize(
    "operations", [("start", "stop"), pytest.param(tuple(LIFE), marks=pytest.mark.slow)], ids=["on and off", "all"]
)
def test_the_power_of_two_is_foretold_by_check_mode_switched_once_and_not_again(
    tasks: Tasks, operations: tuple[str, ...]
) -> None:
    wanted: dict[str, dict[str, Any]] = {}
    for operation in operations:
        more = LIFE[operation]
        options = {"pattern": "power-*", "operation": operation, "diff": True, **more}
        wanted[f"{operation}_checked"] = {**options, "check_mode": True}
        wanted[f"{operation}_done"] = options
        wanted[f"{operation}_again"] = options
        wanted[f"{operation}_again_checked"] = {**options, "check_mode": True}

    answers = tasks(module="vm_power", **wanted)

    for operation in operations:
        checked, done = answers[f"{operation}_checked"], answers[f"{operation}_done"]
        assert checked["changed"] is True, operation
        assert said(done) == said(checked), operation
        assert set(done["diff"]["after"]) == {"power-1", "power-2"}
        for again in (answers[f"{operation}_again"], answers[f"{operation}_again_checked"]):
            assert (again["changed"], again["diff"]) == (False, {"before": {}, "after": {}}), operation
        after = {vm["name"]: {"state": vm["status"]} for vm in done["vms"]}
        assert after == done["diff"]["after"], operation
        before = {vm["name"]: {"state": vm["status"]} for vm in checked["vms"]}
        assert before == checked["diff"]["before"], operation


@pytest.mark.slow
def test_what_leaves_no_trace_is_done_each_time(tasks: Tasks) -> None:
    one = {"name": "power-1", "diff": True}

    answers = tasks(
        module="vm_power",
        start={**one, "operation": "start"},
        reset_checked={**one, "operation": "reset", "check_mode": True},
        reset={**one, "operation": "reset"},
        reset_again={**one, "operation": "reset"},
        restart_checked={**one, "operation": "restart", "force_after": 0, "check_mode": True},
        restart={**one, "operation": "restart", "force_after": 0},
        plug_checked={**one, "operation": "force-stop", "check_mode": True},
        plug={**one, "operation": "force-stop"},
        plug_again={**one, "operation": "force-stop"},
    )

    assert said(answers["reset"]) == said(answers["reset_again"]) == said(answers["reset_checked"])
    assert answers["reset"]["diff"]["after"] == {"power-1": {"state": "running", "reset": True}}
    assert said(answers["restart"]) == said(answers["restart_checked"])
    assert answers["restart"]["diff"]["after"] == {"power-1": {"state": "running", "restarted": True}}
    assert said(answers["plug"]) == said(answers["plug_checked"])
    assert answers["plug"]["vms"][0]["status"] == "stopped"
    assert answers["plug_again"]["changed"] is False


@pytest.mark.slow
def test_one_failure_hides_no_other_vm_and_bad_input_is_refused_by_its_field(tasks: Tasks) -> None:
    mixed = {"name": ["nobody", "power-1", "power-2"], "operation": "pause"}
    bad = {
        "forced_start": ({"name": "power-1", "operation": "start", "force_after": 1}, "invalid_spec", "force_after"),
        "no_time": ({"name": "power-1", "operation": "stop", "timeout": -1}, "invalid_spec", "timeout"),
        "empty_name": ({"name": "", "operation": "start"}, "invalid_spec", "name.0"),
        "nobody": ({"name": "nobody", "operation": "start"}, "vm_not_found", None),
        "deaf": ({"name": "power-2", "operation": "stop", "timeout": 0}, "wrong_state", None),
    }

    answers = tasks(
        module="vm_power",
        off={"pattern": "power-*", "operation": "force-stop"},
        on={"name": "power-2", "operation": "start"},
        checked={**mixed, "check_mode": True, "diff": True},
        done={**mixed, "diff": True},
        whom={"operation": "start"},
        what={"name": "power-1"},
        dance={"name": "power-1", "operation": "dance"},
        **{name: options for name, (options, *_) in bad.items()},
        **{f"{name}_checked": {**options, "check_mode": True} for name, (options, *_) in bad.items()},
        again={"name": "power-2", "operation": "resume"},
        nothing={"name": [], "operation": "force-stop"},
    )

    for mode in ("checked", "done"):
        answer = answers[mode]
        assert answer["failed"] is True
        assert answer["changed"] is True
        assert "2 of 3 VMs: 'nobody': not found on this host; 'power-1': VM is not running" in answer["msg"]
        assert [(vm["name"], vm["changed"], vm["code"]) for vm in answer["vms"]] == [
            ("nobody", False, "vm_not_found"), ("power-1", False, "wrong_state"), ("power-2", True, None),
        ]  # fmt: skip
    assert said(answers["done"]) == said(answers["checked"])
    for name, (_, code, field) in bad.items():
        for answer in (answers[name], answers[f"{name}_checked"]):
            assert answer["failed"] is True, name
            assert (answer["code"], answer["field"]) == (code, field), name
            assert "Traceback" not in str(answer), name
    assert "name, uuid, pattern" in answers["whom"]["msg"]
    assert "operation" in answers["what"]["msg"]
    assert "force-stop" in answers["dance"]["msg"]
    assert answers["again"]["changed"] is True  # it was paused by the task that failed for others
    assert (answers["nothing"]["changed"], answers["nothing"]["vms"]) == (False, [])
