# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules guest_exec and guest_file, run by Ansible against a guest that is up; one boot for all."""

import base64
from pathlib import Path
from typing import Any

import pytest

from lab.host import Host
from tests.collection.conftest import Tasks

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module", autouse=True)
def guest(clean_host: None, tasks: Tasks, lab_host: Host) -> str:
    """The name of a VM whose agent is there."""
    options = {
        "name": "spoken-to", "cpu_cores": 1, "memory_mb": 128, "disk_gb": 0.25, "virt_type": lab_host.virt_type,
        "image": "tiny.qcow2", "image_mode": "backing", "image_pool": "images",
        "state": "running", "wait_for": "agent", "wait_timeout": 100,
    }  # fmt: skip
    assert not tasks(made=options)["made"].get("failed")
    return "spoken-to"


@pytest.mark.slow
def test_a_program_is_run_as_it_is_given_and_its_end_is_told(tasks: Tasks, guest: str) -> None:
    vm = {"name": guest}
    answers = tasks(
        module="guest_exec",
        plain={**vm, "argv": ["printf", "%s|", "a b", "$(id)", "{{ '{{ 7 * 7 }}' }}"]},
        in_shell={**vm, "shell": 'echo "$A"; cat; echo oops >&2; exit 3', "stdin": "in", "env": {"A": "b"}},
        killed={**vm, "shell": "kill -9 $$"},
        nowhere={**vm, "argv": ["/nowhere"]},
        slow={**vm, "argv": ["sleep", "20"], "timeout": 1},
        loud={**vm, "shell": "head -c 1100000 /dev/zero | tr '\\0' x"},
        after={**vm, "argv": ["true"]},
        checked={**vm, "shell": "touch /root/checked", "check_mode": True},
        created={**vm, "shell": "touch /root/created", "creates": "/root/created"},
        created_again={**vm, "shell": "exit 1", "creates": "/root/created"},
        removed={**vm, "shell": "exit 1", "removes": "/root/checked"},
        nobody={"name": "nobody", "argv": ["true"]},
        nothing={**vm, "argv": []},
    )

    assert (answers["plain"]["rc"], answers["plain"]["changed"]) == (0, True)
    assert answers["plain"]["stdout"] == "a b|$(id)|{{ 7 * 7 }}|"
    told = answers["in_shell"]
    assert (told["rc"], told["stdout"], told["stderr"], told["code"]) == (3, "b\nin", "oops\n", "exit_code")
    assert answers["killed"]["rc"] == 137
    assert answers["nowhere"]["rc"] == 127
    assert answers["slow"]["code"] == "guest_timeout"
    assert "runs on in the guest as process" in answers["slow"]["msg"]
    assert (len(answers["loud"]["stdout"]), answers["loud"]["truncated"]) == (1024 * 1024, True)
    assert answers["after"]["rc"] == 0
    assert (answers["checked"]["changed"], answers["checked"]["skip_reason"]) == (True, "check mode")
    assert answers["created"]["rc"] == 0
    assert answers["created_again"]["skip_reason"] == "/root/created is there"
    assert answers["removed"]["skip_reason"] == "/root/checked is not there"
    assert answers["nobody"]["code"] == "vm_not_found"
    assert answers["nothing"]["field"] == "argv"


@pytest.mark.slow
def test_a_file_is_written_once_and_read_and_a_failure_leaves_what_was_there(
    tasks: Tasks, guest: str, tmp_path: Path
) -> None:
    vm = {"name": guest}
    hostile = "/root/-rf $(touch pwned) 'ü"
    every_byte = bytes(range(256)) * 1024
    (tmp_path / "src").write_bytes(every_byte)
    write = {**vm, "path": hostile, "content": "hello\n", "mode": "0640"}
    answers = tasks(
        module="guest_file",
        checked={**write, "check_mode": True, "diff": True},
        missing={**vm, "path": hostile},
        written={**write, "diff": True},
        again={**write, "diff": True},
        other={**vm, "path": hostile, "content": "goodbye\n"},
        read={**vm, "path": hostile},
        mode_kept={**vm, "path": hostile, "content": "goodbye\n", "mode": "640"},
        binary={**vm, "path": "/root/b", "src": str(tmp_path / "src")},
        brought_checked={**vm, "path": "/root/b", "dest": str(tmp_path / "dest"), "check_mode": True},
        brought={**vm, "path": "/root/b", "dest": str(tmp_path / "dest")},
        brought_again={**vm, "path": "/root/b", "dest": str(tmp_path / "dest")},
        full={**vm, "path": "/etc", "content": "x"},
        nowhere={**vm, "path": "/nowhere/x", "content": "x"},
        relative={**vm, "path": "x", "content": "x"},
        no_source={**vm, "path": "/root/x", "src": str(tmp_path / "none")},
        only_mode={**vm, "path": "/root/x", "mode": "0644"},
    )
    listed = tasks(module="guest_exec", listed={**vm, "argv": ["ls", "-A", "/root", "/"]})["listed"]["stdout"]

    assert answers["checked"]["diff"] == answers["written"]["diff"] == {
        "before": {"content": None, "mode": None}, "after": {"content": "hello\n", "mode": "640"},
    }  # fmt: skip
    assert (answers["missing"]["field"], answers["missing"]["msg"]) == (
        "path",
        "path: there is no such file in the guest",
    )
    assert (answers["again"]["changed"], answers["again"]["diff"]) == (False, {"before": {}, "after": {}})
    assert answers["other"]["changed"] is True
    assert base64.b64decode(answers["read"]["content"]) == b"goodbye\n"
    assert answers["mode_kept"]["changed"] is False
    assert answers["binary"]["size"] == len(every_byte)
    assert (tmp_path / "dest").read_bytes() == every_byte
    assert [answers[f"brought{when}"]["changed"] for when in ("_checked", "", "_again")] == [True, True, False]
    assert "Is a directory" in answers["full"]["msg"]
    assert "/nowhere" in answers["nowhere"]["msg"]
    assert [answers[name]["field"] for name in ("relative", "no_source", "only_mode")] == ["path", "src", "mode"]
    assert "pwned" not in listed.splitlines()
    assert ".part" not in listed


@pytest.mark.slow
def test_a_vm_that_is_off_or_stands_still_does_nothing(tasks: Tasks, guest: str, lab_host: Host) -> None:
    vm: dict[str, Any] = {"name": guest, "argv": ["true"]}
    lab_host.virsh("suspend", guest)
    paused = tasks(module="guest_exec", paused=vm)["paused"]
    lab_host.virsh("destroy", guest)
    off = tasks(module="guest_exec", off=vm)["off"]

    assert (paused["code"], off["code"]) == ("wrong_state", "wrong_state")
    assert off["msg"] == "VM is not running: its guest agent does nothing"
