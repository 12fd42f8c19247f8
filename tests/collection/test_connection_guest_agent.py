# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection plugin, run by Ansible: a tiny guest without Python, then one of Debian with tasks of any kind."""

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.host import Host
from lab.lab import Lab
from tests.collection.conftest import Ansible, Run, Tasks
from tests.core.actions.guests import wait_until

pytestmark = [pytest.mark.lab, pytest.mark.slow]

MANY = random.Random(2).randbytes(10 * 1024 * 1024)  # noqa: S311  any bytes, always the same
# init starts the agent anew, which refuses what this needs
REFUSING = (
    "sed -i 's/exec qemu-ga/& -b guest-exec/' /usr/lib/guest/agent;"
    " (sleep 1; killall qemu-ga) </dev/null >/dev/null 2>&1 &"
)

Play = Callable[..., tuple[dict[str, Any], Run]]


@pytest.fixture(scope="module")
def play(ansible: Ansible, tmp_path_factory: pytest.TempPathFactory) -> Play:
    """Run tasks on a guest, and answer what each named one answered, and how the run was."""

    def run(vm: str, timeout: float = 300, variables: dict[str, Any] | None = None, **tasks: dict[str, Any]) -> Any:
        folder = tmp_path_factory.mktemp("play")
        answers = folder / "answers.json"
        content = "{{ {" + ", ".join(f"'{name}': {name}" for name in tasks) + "} | to_json }}"
        kept = {"ignore_errors": True, "ignore_unreachable": True}
        play = {
            "hosts": vm,
            "gather_facts": False,
            "connection": "hostler.libvirt.guest_agent",
            "vars": variables or {},
            "tasks": [
                *({**task, **kept, "register": name} for name, task in tasks.items()),
                {
                    "ansible.builtin.copy": {"content": content, "dest": str(answers), "mode": "0600"},
                    "delegate_to": "localhost",
                    "connection": "local",
                    "become": False,
                },
            ],
        }
        (folder / "play.yml").write_text(yaml.safe_dump([play]))
        done = ansible("-i", f"{vm},", folder / "play.yml", timeout=timeout)
        assert answers.exists(), done.output
        return json.loads(answers.read_text()), done

    return run


@pytest.fixture(scope="module")
def guest(clean_host: None, tasks: Tasks, lab_host: Host) -> str:
    """The name of a VM whose agent is there."""
    options = {
        "name": "tiny-told", "cpu_cores": 1, "memory_mb": 128, "disk_gb": 0.25, "virt_type": lab_host.virt_type,
        "image": "tiny.qcow2", "image_mode": "backing", "image_pool": "images",
        "state": "running", "wait_for": "agent", "wait_timeout": 100,
    }  # fmt: skip
    made = tasks(made=options)["made"]
    assert not made.get("failed"), made
    return "tiny-told"


def test_lines_and_scripts_run_in_a_guest_without_python_or_network(play: Play, guest: str, tmp_path: Path) -> None:
    (tmp_path / "script").write_text('#!/bin/sh\necho "$1 in $(cat /etc/hostname)"\n')
    answers, done = play(
        guest,
        raw={"ansible.builtin.raw": "echo ~; echo oops >&2; exit 3"},
        script={"ansible.builtin.script": f"{tmp_path / 'script'} run"},
        after={"ansible.builtin.raw": "ls -A /run/hostler-agent | grep -c -v -e out -e err"},
    )

    told = answers["raw"]
    assert (told["rc"], told["stdout"], told["stderr"]) == (3, "/root\n", "oops\n"), done.output
    assert answers["script"]["stdout"].startswith("run in ")
    assert answers["after"]["stdout"].strip() == "0"


def test_why_a_guest_can_not_be_reached_is_said(play: Play, guest: str, lab_host: Host) -> None:
    task = {"ansible.builtin.raw": "true"}

    def said(vm: str = guest, **variables: Any) -> str:
        answers, done = play(vm, variables=variables, asked=task)
        assert answers["asked"]["unreachable"] is True, done.output
        return str(answers["asked"]["msg"])

    assert "VM 'nobody' not found on this host" in said("nobody")
    assert "VM with UUID 00000000-0000-4000-8000-000000000001 not found" in said(
        hostler_uuid="00000000-0000-4000-8000-000000000001"
    )
    assert "Failed to connect to the host" in said(ansible_libvirt_uri="qemu+tcp://127.0.0.1:1/system")
    lab_host.virsh("suspend", guest)
    assert "VM is not running: its guest agent does nothing" in said()
    lab_host.virsh("resume", guest)
    answers, done = play(
        guest,
        variables={"ansible_libvirt_command_timeout": 1},
        slow={"ansible.builtin.raw": "sleep 5"},
    )
    assert "did not end within 1 s" in answers["slow"]["msg"], done.output
    play(guest, asked={"ansible.builtin.raw": REFUSING})
    wait_until(lambda: "it is not allowed there" in said(), "the agent refuses to run anything", timeout=60)
    assert "block-rpcs" in said()
    lab_host.virsh("destroy", guest)
    assert "VM is not running: its guest agent does nothing" in said()


@pytest.fixture(scope="module")
def debian(clean_host: None, ansible: Ansible, lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The name of a VM with Debian, whose agent is there."""
    lab.up(debian=True)
    options = {
        "name": "debian-told", "cpu_cores": 1, "memory_mb": 512, "disk_gb": 3, "virt_type": lab.hosts[0].virt_type,
        "image": "debian.qcow2", "image_mode": "backing", "image_pool": "images",
        "cloud_init": {"hostname": "debian-told"},
        "state": "running", "wait_for": "agent", "wait_timeout": 800,
    }  # fmt: skip
    playbook = tmp_path_factory.mktemp("debian") / "play.yml"
    tasks = [{"hostler.libvirt.vm": options}]
    playbook.write_text(yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]))
    done = ansible(playbook, timeout=900)
    assert done.code == 0, done.output
    yield "debian-told"
    lab.hosts[0].virsh("destroy", "debian-told")


def test_tasks_of_every_kind_run_in_a_guest(play: Play, debian: str, tmp_path: Path) -> None:
    """One play, as a boot and each module take their time where a guest is emulated."""
    (tmp_path / "template.j2").write_text("{{ ansible_facts.hostname }}, {{ ansible_facts.system }}")
    (tmp_path / "many").write_bytes(MANY)
    becoming = {"become": True, "become_user": "debian", "ansible.builtin.command": "whoami"}
    answers, done = play(
        debian,
        timeout=1500,
        facts={"ansible.builtin.setup": {"gather_subset": ["!all", "min"]}},
        command={"ansible.builtin.command": "printf %s '$(id)'"},
        template={
            "ansible.builtin.template": {"src": str(tmp_path / "template.j2"), "dest": "/root/t", "mode": "0640"}
        },
        again={"ansible.builtin.template": {"src": str(tmp_path / "template.j2"), "dest": "/root/t", "mode": "0640"}},
        read={"ansible.builtin.command": "stat -c %a:%U /root/t"},
        sudo=becoming,
        su={**becoming, "become_method": "su"},
        unpipelined={**becoming, "vars": {"ansible_pipelining": False}},
        large={"ansible.builtin.copy": {"src": str(tmp_path / "many"), "dest": "/root/many", "mode": "0600"}},
        back={"ansible.builtin.fetch": {"src": "/root/many", "dest": str(tmp_path / "back"), "flat": True}},
    )

    assert done.code == 0, done.output
    assert not [name for name, answer in answers.items() if answer.get("failed") or answer.get("unreachable")], answers
    assert answers["command"]["stdout"] == "$(id)"
    assert (answers["template"]["changed"], answers["again"]["changed"]) == (True, False)
    assert answers["read"]["stdout"] == "640:root"
    assert [answers[how]["stdout"] for how in ("sudo", "su", "unpipelined")] == ["debian"] * 3
    assert (tmp_path / "back").read_bytes() == MANY
