# SPDX-License-Identifier: GPL-3.0-or-later
"""The module vm_migrate and its playbook, run by Ansible between two real hosts."""

import dataclasses
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.hostler.libvirt.plugins.module_utils.plan.migration_wish import MigrationWish
from ansible_collections.hostler.libvirt.plugins.modules.vm_migrate import WISH_OPTIONS
from lab.host import Host
from tests.collection.conftest import Ansible, Tasks
from tests.core.actions.guests import swept
from tests.core.test_python_floor import oldest_python

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(os.geteuid() != 0, reason="a user's hosts are reached by their sockets only"),
]

PLAYBOOK = "hostler.libvirt.vm_migrate"
NOBODY = "99999999-2222-4333-8444-555555555555"


@pytest.fixture(scope="module")
def there(lab_hosts: list[Host]) -> Iterator[str]:
    """The second host's URI; nothing stays on it."""
    with swept(lab_hosts[1].uri):
        yield lab_hosts[1].uri


@pytest.fixture(scope="module", autouse=True)
def vms(clean_host: None, tasks: Tasks, lab_host: Host, there: str) -> None:
    """VMs with blank disks: one that runs on storage of its host's own, one that is off on shared storage."""
    options = {"cpu_cores": 1, "memory_mb": 64, "disk_gb": 0.125, "virt_type": lab_host.virt_type, "autostart": True}
    tasks(
        live={**options, "name": "move-live", "pool": "local", "state": "running"},
        play={**options, "name": "move-play", "pool": "shared"},
    )


def said(answer: dict[str, Any]) -> dict[str, Any]:
    """What check mode and a run have to agree on."""
    return {key: answer[key] for key in ("changed", "diff", "plan", "left", "deleted_disks")}


def test_the_options_are_what_can_be_wished() -> None:
    fields = {field.name: field.default for field in dataclasses.fields(MigrationWish)}
    options: dict[str, Any] = dict(WISH_OPTIONS)

    assert set(options) == set(fields)
    for name, default in fields.items():
        assert options[name].get("default") == default, name


def test_a_migration_is_foretold_by_check_mode_and_done_once(tasks: Tasks, there: str) -> None:
    move = {"name": "move-live", "destination_uri": there, "storage": "copied", "delete_source_disks": True}

    answers = tasks(
        module="vm_migrate",
        checked={**move, "check_mode": True, "diff": True},
        done={**move, "diff": True},
        again=move,
        again_checked={**move, "check_mode": True},
    )

    done = answers["done"]
    assert done["changed"] is True
    assert said(done) == said(answers["checked"])
    assert done["diff"] == {
        "before": {"host": "host1.lab.test", "state": "running"},
        "after": {"host": "host2.lab.test", "state": "running"},
    }
    assert (done["vm"]["status"], done["vm"]["autostart"]) == ("running", True)
    assert (len(done["deleted_disks"]), done["left"]) == (1, [])
    assert done["migration"]["memory_bytes"] > 0
    assert answers["checked"]["migration"] is None
    assert not answers["again"]["changed"]
    assert said(answers["again"]) == said(answers["again_checked"])


@pytest.mark.slow
def test_bad_input_is_refused_by_its_field_in_check_mode_too(tasks: Tasks, lab_host: Host, there: str) -> None:
    vm = {"name": "move-play", "destination_uri": there}
    nowhere = "qemu:///system?socket=/nowhere"
    bad: dict[str, tuple[dict[str, Any], str, str | None]] = {
        "no_vm": ({**vm, "name": "nobody"}, "vm_not_found", "name"),
        "no_uuid": ({"uuid": "x", "destination_uri": there}, "invalid_spec", "uuid"),
        "other_uuid": ({**vm, "uuid": NOBODY}, "vm_not_found", "uuid"),
        "same_host": ({**vm, "destination_uri": lab_host.uri}, "invalid_spec", "destination_uri"),
        "no_destination": ({**vm, "destination_uri": nowhere}, "host_unreachable", "destination_uri"),
        "no_host": ({**vm, "uri": nowhere}, "host_unreachable", None),
        "no_peer": ({**vm, "peer_to_peer": True}, "invalid_spec", "destination_uri"),
        "no_time": ({**vm, "timeout": 0}, "invalid_spec", "timeout"),
        "kept": ({**vm, "delete_source_disks": True}, "invalid_spec", "delete_source_disks"),
    }

    answers = tasks(
        module="vm_migrate",
        whom={"destination_uri": there},
        whereto={"name": "move-play"},
        **{name: options for name, (options, *_) in bad.items()},
        **{f"{name}_checked": {**options, "check_mode": True} for name, (options, *_) in bad.items()},
    )

    for name, (_, code, field) in bad.items():
        for answer in (answers[name], answers[f"{name}_checked"]):
            assert answer["failed"] is True, name
            assert (answer["code"], answer["field"]) == (code, field), answer
            assert "Traceback" not in str(answer), name
    assert "name, uuid" in answers["whom"]["msg"]
    assert "destination_uri" in answers["whereto"]["msg"]


@pytest.mark.slow
def test_the_playbook_moves_it_with_a_sites_steps_before_and_after(
    ansible: Ansible, tasks: Tasks, there: str, tmp_path: Path
) -> None:
    hooks, notes = tmp_path / "hooks", tmp_path / "notes"
    hooks.mkdir()
    for when in ("before", "after"):
        told = "{{ (vm | default({'name': 'nobody yet'})).name }}"
        line = {"path": str(notes), "line": f"{when} {told}", "create": True, "mode": "0600"}
        task = {"name": f"Note {when}", "ansible.builtin.lineinfile": line}
        (hooks / f"vm_migrate_{when}.yml").write_text(json.dumps([task]))
    # what a survey leaves empty is left out
    extra: dict[str, Any] = {f"vm_migrate_{name}": "" for name in WISH_OPTIONS}
    extra |= {"vm_name": "move-play", "vm_uuid": "", "vm_migrate_destination_uri": {"__ansible_unsafe": there}}

    run = ansible(PLAYBOOK, "--check", "--diff", extra={**extra, "vm_migrate_timeout": 0})
    assert run.code == 2
    assert "timeout: must be at least 1" in run.output
    run = ansible(PLAYBOOK, "--check", "--diff", extra=extra)
    assert run.code == 0, run.output
    assert '+    "host": "host2.lab.test"' in run.output

    run = ansible(PLAYBOOK, extra={**extra, "hooks_dir": str(hooks)})
    assert run.code == 0, run.output
    assert notes.read_text().splitlines() == ["before nobody yet", "after move-play"]
    answers = tasks(module="vm_info", here={"name": "move-play"}, there={"name": "move-play", "uri": there})
    assert [answers[where]["vms"][0]["exists"] for where in ("here", "there")] == [False, True]

    shell = ["vm_name=move-play", f"vm_migrate_destination_uri={there}", "vm_migrate_unsafe=yes"]
    run = ansible(PLAYBOOK, *[part for value in shell for part in ("-e", value)])
    assert run.code == 0, run.output
    assert "changed=0 " in run.output


def test_the_playbook_passes_every_wish_on() -> None:
    playbook = yaml.safe_load((Path(__file__).parents[2] / "playbooks" / "vm_migrate.yml").read_text())
    (task,) = [task for task in playbook[0]["tasks"] if PLAYBOOK in task]

    assert set(task[PLAYBOOK]) == {*WISH_OPTIONS, "name", "uuid", "uri", "destination_uri"}
    for name, value in task[PLAYBOOK].items():
        variable = {"name": "vm_name", "uuid": "vm_uuid", "uri": "libvirt_uri"}.get(name)
        # the destination may be a host of the inventory instead
        own = playbook[0]["vars"].get(name, "")
        assert (variable or f"vm_migrate_{name}") in value + own, name


@pytest.mark.slow
def test_a_host_without_the_library_is_told_what_to_install(tasks: Tasks, there: str) -> None:
    python = oldest_python()
    if python is None:
        pytest.skip("there is no Python without libvirt on this machine")

    move = {"name": "move-play", "destination_uri": there}
    answer = tasks(interpreter=python, module="vm_migrate", run=move)["run"]

    assert answer["failed"] is True
    assert "libvirt-python" in answer["msg"]
