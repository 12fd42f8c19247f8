# SPDX-License-Identifier: GPL-3.0-or-later
"""The module vm_clone and its playbook, run by Ansible on a real host."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.hostler.libvirt.plugins.module_utils.plan.clone_wish import CloneWish
from ansible_collections.hostler.libvirt.plugins.modules.vm_clone import WISH_OPTIONS
from lab.host import Host
from tests.collection.conftest import Ansible, Tasks

pytestmark = pytest.mark.lab

PLAYBOOK = "hostler.libvirt.vm_clone"
NOBODY = "99999999-2222-4333-8444-555555555555"


@pytest.fixture(scope="module", autouse=True)
def source(clean_host: None, tasks: Tasks, lab_host: Host) -> None:
    """A VM with a blank disk and a seed, off."""
    sizes = {"cpu_cores": 1, "memory_mb": 64, "disk_gb": 0.125, "virt_type": lab_host.virt_type}
    tasks(make={**sizes, "name": "clone-source", "cloud_init": {"hostname": "source"}, "tags": ["kept"]})


def test_the_options_are_what_can_be_wished() -> None:
    fields = {field.name: field.default for field in dataclasses.fields(CloneWish)}
    options: dict[str, Any] = dict(WISH_OPTIONS)

    assert set(options) == set(fields)
    for name, default in fields.items():
        known = None if default is dataclasses.MISSING else list(default) if isinstance(default, tuple) else default
        assert options[name].get("default") == known, name


@pytest.mark.slow
def test_a_clone_is_foretold_by_check_mode_made_once_and_started_once(tasks: Tasks) -> None:
    one: dict[str, Any] = {"name": "clone-1", "source": "clone-source", "description": "why"}
    wanted: dict[str, dict[str, Any]] = {}
    for step, options in {"make": one, "start": {**one, "state": "running"}}.items():
        wanted[f"{step}_checked"] = {**options, "check_mode": True, "diff": True}
        wanted[f"{step}_done"] = {**options, "diff": True}
        wanted[f"{step}_again"] = options
        wanted[f"{step}_again_checked"] = {**options, "check_mode": True}

    answers = tasks(module="vm_clone", **wanted)

    for step in ("make", "start"):
        done, checked = answers[f"{step}_done"], answers[f"{step}_checked"]
        assert done["changed"] is True
        assert (done["diff"], done["plan"]) == (checked["diff"], checked["plan"])
        assert not answers[f"{step}_again"]["changed"]
        assert not answers[f"{step}_again_checked"]["changed"]
    assert answers["make_checked"]["vm"] is None
    vm = answers["make_done"]["vm"]
    assert (vm["status"], vm["tags"], vm["description"], vm["managed"]) == ("stopped", ["kept"], "why", True)
    assert answers["start_done"]["vm"]["status"] == "running"


@pytest.mark.slow
def test_bad_input_is_refused_by_its_field_in_check_mode_too(tasks: Tasks) -> None:
    one = {"name": "clone-x", "source": "clone-source"}
    bad: dict[str, tuple[dict[str, Any], str, str | None]] = {
        "no_source": ({"name": "clone-x", "source": "nobody"}, "vm_not_found", "source"),
        "no_uuid": ({"name": "clone-x", "source_uuid": NOBODY}, "vm_not_found", "source_uuid"),
        "bad_uuid": ({"name": "clone-x", "source_uuid": "x"}, "invalid_spec", "source_uuid"),
        "itself": ({"name": "clone-source", "source": "clone-source"}, "name_taken", "name"),
        "bad_name": ({**one, "name": "../x"}, "invalid_spec", "name"),
        "linked": ({**one, "mode": "linked"}, "invalid_spec", "mode"),
        "no_snapshot": ({**one, "snapshot": "none"}, "snapshot_not_found", "snapshot"),
        "no_pool": ({**one, "pool": "nowhere"}, "pool_not_found", None),
        "bad_mac": ({**one, "mac_addresses": ["x"]}, "invalid_spec", "mac_addresses.0"),
        "no_wait": ({**one, "wait_for": "agent"}, "invalid_spec", "wait_for"),
        "no_port": ({**one, "state": "running", "wait_for": "port"}, "invalid_spec", "wait_port"),
        "odd_port": ({**one, "state": "running", "wait_for": "port", "wait_port": 0}, "invalid_spec", "wait_port"),
    }

    answers = tasks(
        module="vm_clone",
        whom={"name": "x"},
        **{name: options for name, (options, *_) in bad.items()},
        **{f"{name}_checked": {**options, "check_mode": True} for name, (options, *_) in bad.items()},
    )

    for name, (_, code, field) in bad.items():
        for answer in (answers[name], answers[f"{name}_checked"]):
            assert answer["failed"] is True, name
            assert (answer["code"], answer["field"]) == (code, field), answer
            assert "Traceback" not in str(answer), name
    assert "source, source_uuid" in answers["whom"]["msg"]


@pytest.mark.slow
def test_the_playbook_clones_with_a_sites_steps_before_and_after(
    ansible: Ansible, tasks: Tasks, tmp_path: Path
) -> None:
    hooks, notes = tmp_path / "hooks", tmp_path / "notes"
    hooks.mkdir()
    for when in ("before", "after"):
        told = "{{ (vm | default({'name': 'nobody yet'})).name }}"
        line = {"path": str(notes), "line": f"{when} {told}", "create": True, "mode": "0600"}
        (hooks / f"vm_clone_{when}.yml").write_text(
            json.dumps([{"name": f"Note {when}", "ansible.builtin.lineinfile": line}])
        )
    secret = "hunter2-the-user-data"
    extra: dict[str, Any] = {
        f"vm_{name}": "" for name in (*WISH_OPTIONS, "source_uuid", "start", "wait_for", "wait_port", "wait_timeout")
    }
    extra |= {"vm_name": "clone-play", "vm_source": "clone-source", "vm_cloud_init": {"user_data": f"#{secret}"}}
    extra |= {"vm_description": {"__ansible_unsafe": "{{ 6 * 7 }} $(x) <b>"}}

    run = ansible(PLAYBOOK, "--check", "--diff", "-vv", extra=extra)
    assert run.code == 0, run.output
    assert '+    "source": "clone-source"' in run.output
    run = ansible(PLAYBOOK, "--diff", "-vv", extra={**extra, "hooks_dir": str(hooks)})
    assert run.code == 0, run.output
    assert secret not in run.output
    assert notes.read_text().splitlines() == ["before nobody yet", "after clone-play"]
    vm = tasks(module="vm_info", one={"name": ["clone-play"]})["one"]["vms"][0]
    assert (vm["description"], vm["tags"]) == ("{{ 6 * 7 }} $(x) <b>", ["kept"])

    run = ansible(PLAYBOOK, "-e", "vm_name=clone-play", "-e", "vm_source=clone-source", "-e", "vm_start=no")
    assert run.code == 0, run.output
    assert "changed=0 " in run.output


def test_the_playbook_passes_every_option_on() -> None:
    playbook = yaml.safe_load((Path(__file__).parents[2] / "playbooks" / "vm_clone.yml").read_text())
    (task,) = [task for task in playbook[0]["tasks"] if PLAYBOOK in task]
    more = {"source", "source_uuid", "wait_for", "wait_port", "wait_timeout", "uri"}

    assert set(task[PLAYBOOK]) == {*WISH_OPTIONS, *more}
    for name, value in task[PLAYBOOK].items():
        own = playbook[0]["vars"].get(f"asked_{name}", "")
        assert {"uri": "libvirt_uri", "state": "vm_start"}.get(name, f"vm_{name}") in value + own, name
