# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules vm_snapshot and vm_snapshot_info and the playbook, run by Ansible on a real host."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.hostler.libvirt.plugins.module_utils.plan.snapshot_wish import SnapshotWish
from ansible_collections.hostler.libvirt.plugins.modules.vm_snapshot import WISH_OPTIONS
from lab.host import Host
from tests.collection.conftest import Ansible, Tasks
from tests.core.test_python_floor import oldest_python

pytestmark = pytest.mark.lab

PLAYBOOK = "hostler.libvirt.vm_snapshot"
NOBODY = "99999999-2222-4333-8444-555555555555"


@pytest.fixture(scope="module", autouse=True)
def vms(clean_host: None, tasks: Tasks, lab_host: Host) -> None:
    """VMs with blank disks, off."""
    options = {"cpu_cores": 1, "memory_mb": 64, "disk_gb": 0.125, "virt_type": lab_host.virt_type, "tags": ["kept"]}
    tasks(**{f"make_{name}": {**options, "name": f"snap-{name}"} for name in ("life", "series", "play")})


def said(answer: dict[str, Any]) -> dict[str, Any]:
    """What check mode and a run have to agree on."""
    return {key: answer[key] for key in ("changed", "diff", "plan", "removed")}


def test_the_options_are_what_can_be_wished() -> None:
    fields = {field.name: field.default for field in dataclasses.fields(SnapshotWish)}
    options: dict[str, Any] = dict(WISH_OPTIONS)

    assert set(options) == set(fields)
    for name, default in fields.items():
        assert options[name].get("default") == default, name


@pytest.mark.slow
def test_a_snapshot_is_foretold_by_check_mode_taken_once_gone_back_to_and_removed_once(tasks: Tasks) -> None:
    one: dict[str, Any] = {"name": "snap-life", "snapshot": "one"}
    life: dict[str, dict[str, Any]] = {
        "take": {**one, "description": "why", "memory": False},
        "revert": {**one, "state": "reverted"},
        "remove": {**one, "state": "absent", "children": True},
    }
    wanted: dict[str, dict[str, Any]] = {}
    for step, options in life.items():
        wanted[f"{step}_checked"] = {**options, "check_mode": True, "diff": True}
        wanted[f"{step}_done"] = {**options, "diff": True}
        if step != "revert":
            wanted[f"{step}_again"] = options
            wanted[f"{step}_again_checked"] = {**options, "check_mode": True}

    answers = tasks(module="vm_snapshot", **wanted)

    for step in life:
        done = answers[f"{step}_done"]
        assert done["changed"] is True
        assert done["diff"]["before"] != done["diff"]["after"]
        assert said(done) == said(answers[f"{step}_checked"])
        if step != "revert":
            assert not answers[f"{step}_again"]["changed"]
            assert said(answers[f"{step}_again"]) == said(answers[f"{step}_again_checked"])
    assert answers["take_checked"]["snapshot"] is None
    taken = answers["take_done"]["snapshot"]
    assert (taken["name"], taken["description"], taken["memory"], taken["external"]) == ("one", "why", False, False)
    assert answers["revert_done"]["vm"]["tags"] == ["kept"]
    assert answers["remove_done"]["removed"] == ["one"]
    assert answers["remove_done"]["snapshot"] is None


@pytest.mark.slow
def test_a_series_keeps_its_newest_and_info_tells_of_them_in_order(tasks: Tasks) -> None:
    nightly = {"name": "snap-series", "series": "nightly", "keep": 2, "diff": True}
    taken = tasks(
        module="vm_snapshot", by_hand={"name": "snap-series", "snapshot": "mine"}, a=nightly, b=nightly, c=nightly
    )

    told = tasks(
        module="vm_snapshot_info",
        all={"name": "snap-series"},
        checked={"name": "snap-series", "check_mode": True, "diff": True},
        one={"name": "snap-series", "snapshot": "mine"},
        other={"name": "snap-series", "snapshot": "no-such"},
        nobody={"name": "nobody"},
        no_uuid={"uuid": NOBODY},
    )

    names = [taken[step]["snapshot"]["name"] for step in ("a", "b", "c")]
    assert all(name.startswith("nightly-") for name in names)
    assert taken["c"]["removed"] == names[:1]
    assert [one["name"] for one in told["all"]["snapshots"]] == ["mine", *names[1:]]
    assert [one["series"] for one in told["all"]["snapshots"]] == [None, "nightly", "nightly"]
    assert told["checked"]["snapshots"] == told["all"]["snapshots"]
    assert told["one"]["snapshots"] == told["all"]["snapshots"][:1]
    assert (told["other"]["exists"], told["other"]["snapshots"]) == (True, [])
    for name, known in (("nobody", {"name": "nobody"}), ("no_uuid", {"uuid": NOBODY})):
        assert {key: told[name].get(key) for key in ("exists", *known)} == {"exists": False, **known}
        assert told[name]["snapshots"] == []
    assert not any(answer["changed"] or answer.get("failed") for answer in told.values())


@pytest.mark.slow
def test_bad_input_is_refused_by_its_field_in_check_mode_too(tasks: Tasks) -> None:
    vm = {"name": "snap-life"}
    bad: dict[str, tuple[dict[str, Any], str, str | None]] = {
        "no_vm": ({"name": "nobody"}, "vm_not_found", "name"),
        "no_uuid": ({"uuid": "x"}, "invalid_spec", "uuid"),
        "other_uuid": ({"name": "snap-life", "uuid": NOBODY}, "vm_not_found", "uuid"),
        "no_name": ({**vm, "state": "absent"}, "invalid_spec", "snapshot"),
        "bad_name": ({**vm, "snapshot": "a b"}, "invalid_spec", "snapshot"),
        "no_series": ({**vm, "keep": 3}, "invalid_spec", "keep"),
        "no_keep": ({**vm, "series": "s", "keep": 0}, "invalid_spec", "keep"),
        "other_state": ({**vm, "snapshot": "a", "children": True}, "invalid_spec", "children"),
        "off": ({**vm, "memory": True}, "wrong_state", "memory"),
        "quiet": ({**vm, "quiesce": True, "external": True}, "wrong_state", "quiesce"),
        "no_snapshot": ({**vm, "snapshot": "a", "state": "reverted"}, "snapshot_not_found", "snapshot"),
        "no_host": ({**vm, "uri": "qemu:///system?socket=/nowhere"}, "host_unreachable", None),
    }

    answers = tasks(
        module="vm_snapshot",
        whom={"snapshot": "a"},
        **{name: options for name, (options, *_) in bad.items()},
        **{f"{name}_checked": {**options, "check_mode": True} for name, (options, *_) in bad.items()},
    )

    for name, (_, code, field) in bad.items():
        for answer in (answers[name], answers[f"{name}_checked"]):
            assert answer["failed"] is True, name
            assert (answer["code"], answer["field"]) == (code, field), answer
            assert "Traceback" not in str(answer), name
    assert "name, uuid" in answers["whom"]["msg"]


@pytest.mark.slow
def test_what_can_not_be_is_said_before_anything_is_touched_in_check_mode_too(tasks: Tasks, lab_host: Host) -> None:
    made = {"cpu_cores": 1, "memory_mb": 64, "disk_gb": 0.125, "virt_type": lab_host.virt_type, "firmware": "uefi"}
    vm = {"name": "snap-uefi"}
    tasks(make={**made, **vm})

    answers = tasks(
        module="vm_snapshot",
        inside={**vm, "snapshot": "one"},
        inside_checked={**vm, "snapshot": "one", "check_mode": True},
        beside={**vm, "snapshot": "one", "external": True},
        back={**vm, "snapshot": "one", "state": "reverted"},
        back_checked={**vm, "snapshot": "one", "state": "reverted", "check_mode": True},
        other={**vm, "snapshot": "one", "external": False},
    )

    for name in ("inside", "inside_checked"):
        assert (answers[name]["code"], answers[name]["field"]) == ("unsupported", "external")
        assert "UEFI variables" in answers[name]["msg"]
    assert answers["beside"]["changed"] is True
    for name in ("back", "back_checked"):
        assert (answers[name]["code"], answers[name]["field"]) == ("unsupported", "snapshot")
    assert answers["other"]["field"] == "external"


@pytest.mark.slow
def test_the_playbook_takes_it_with_a_sites_steps_before_and_after(
    ansible: Ansible, tasks: Tasks, tmp_path: Path
) -> None:
    hooks, notes = tmp_path / "hooks", tmp_path / "notes"
    hooks.mkdir()
    for when in ("before", "after"):
        told = "{{ (vm | default({'name': 'nobody yet'})).name }} {{ (snapshot | default({'name': 'none yet'})).name }}"
        line = {"path": str(notes), "line": f"{when} {told}", "create": True, "mode": "0600"}
        task = {"name": f"Note {when}", "ansible.builtin.lineinfile": line}
        (hooks / f"vm_snapshot_{when}.yml").write_text(json.dumps([task]))
    hostile = {"__ansible_unsafe": "{{ 6 * 7 }} $(x) <b>"}
    # what a survey leaves empty is left out
    empty = ("state", "memory", "external", "quiesce", "series", "keep", "power", "force", "children", "timeout")
    extra: dict[str, Any] = {f"vm_snapshot_{name}": "" for name in empty}
    extra |= {"vm_name": "snap-play", "vm_uuid": "", "vm_snapshot": "one", "vm_snapshot_description": hostile}

    run = ansible(PLAYBOOK, extra={**extra, "hooks_dir": str(hooks)})
    assert run.code == 0, run.output
    assert notes.read_text().splitlines() == ["before nobody yet none yet", "after snap-play one"]

    (told,) = tasks(module="vm_snapshot_info", all={"name": "snap-play"})["all"]["snapshots"]
    assert (told["name"], told["description"], told["state"]) == ("one", "{{ 6 * 7 }} $(x) <b>", "stopped")
    shell = ["vm_name=snap-play", "vm_snapshot=one", "vm_snapshot_state=absent", "vm_snapshot_children=yes"]
    run = ansible(PLAYBOOK, *[part for value in shell for part in ("-e", value)])
    assert run.code == 0, run.output
    assert "changed=1 " in run.output


@pytest.mark.slow
def test_a_zero_is_not_left_out_and_check_mode_shows_what_would_be(ansible: Ansible) -> None:
    run = ansible(PLAYBOOK, "-e", "vm_name=snap-play", "-e", "vm_snapshot_series=s", "-e", "vm_snapshot_keep=0")
    assert run.code == 2
    assert "keep: must be at least 1" in run.output

    run = ansible(PLAYBOOK, "--check", "--diff", "-e", "vm_name=snap-play", "-e", "vm_snapshot=shown")
    assert run.code == 0, run.output
    assert '+        "shown"' in run.output


def test_the_playbook_passes_every_wish_on() -> None:
    playbook = yaml.safe_load((Path(__file__).parents[2] / "playbooks" / "vm_snapshot.yml").read_text())
    (task,) = [task for task in playbook[0]["tasks"] if PLAYBOOK in task]

    assert set(task[PLAYBOOK]) == {*WISH_OPTIONS, "name", "uuid", "uri"}
    for name, value in task[PLAYBOOK].items():
        variable = {"snapshot": "vm_snapshot", "name": "vm_name", "uuid": "vm_uuid", "uri": "libvirt_uri"}.get(name)
        assert (variable or f"vm_snapshot_{name}") in value, name


@pytest.mark.slow
@pytest.mark.parametrize("module", ["vm_snapshot", "vm_snapshot_info"])
def test_a_host_without_the_library_is_told_what_to_install(tasks: Tasks, module: str) -> None:
    python = oldest_python()
    if python is None:
        pytest.skip("there is no Python without libvirt on this machine")

    answer = tasks(interpreter=python, module=module, run={"name": "snap-life"})["run"]

    assert answer["failed"] is True
    assert "libvirt-python" in answer["msg"]
