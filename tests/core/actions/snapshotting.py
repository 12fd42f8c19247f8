# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots of VMs on the lab's host, as the actions' tests want them."""

import base64
import json
from typing import Any

import libvirt_qemu

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.ensure_snapshot import (
    ensure_snapshot,
    snapshots_of,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.perform import perform
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.read import read_domain
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.snapshot import Snapshots
from ansible_collections.hostler.libvirt.plugins.module_utils.machine import ObservedMachine
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.change import Change, plan_change
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.snapshot_wish import SnapshotWish
from ansible_collections.hostler.libvirt.plugins.module_utils.selection import OneMachine
from lab.commands import run
from lab.host import Host
from tests.core.actions.guests import desired, made, named, wait_until


def see_to(hypervisor: Hypervisor, name: str, **wish: Any) -> dict[str, Any]:
    """What came of it, after check mode has foretold the same and changed nothing."""
    wanted = SnapshotWish(**wish)
    before = Snapshots(hypervisor.domain(named(hypervisor, name).uuid)).all()
    foretold = ensure_snapshot(hypervisor, OneMachine(name), wanted, check=True)
    assert Snapshots(hypervisor.domain(named(hypervisor, name).uuid)).all() == before
    done = ensure_snapshot(hypervisor, OneMachine(name), wanted)
    if wish.get("snapshot"):
        assert {key: done[key] for key in ("changed", "diff", "plan", "removed")} == {
            key: foretold[key] for key in ("changed", "diff", "plan", "removed")
        }
    return done


def names(hypervisor: Hypervisor, name: str) -> list[str]:
    return [one["name"] for one in snapshots_of(hypervisor, OneMachine(name))["snapshots"]]


def disk(hypervisor: Hypervisor, name: str) -> str:
    """The file that the VM writes to."""
    return str(named(hypervisor, name).disks[0].path)


def write(path: str, pattern: int) -> None:
    run("qemu-io", "-f", "qcow2", "-c", f"write -P {pattern} 0 64k", path)


def holds(path: str, pattern: int) -> bool:
    done = run("qemu-io", "-U", "-r", "-f", "qcow2", "-c", f"read -P {pattern} 0 64k", path)
    return "Pattern verification failed" not in str(done)


def change(hypervisor: Hypervisor, vm: str, **fields: Any) -> None:
    perform(hypervisor, plan_change(named(hypervisor, vm), Change(**fields), "default"))


def agent(hypervisor: Hypervisor, vm: ObservedMachine, command: str, **arguments: Any) -> Any:
    asked = json.dumps({"execute": command, "arguments": arguments})
    handle = hypervisor.domain(vm.uuid).handle
    return json.loads(libvirt_qemu.qemuAgentCommand(handle, asked, 20, 0))["return"]


def sh(hypervisor: Hypervisor, vm: ObservedMachine, script: str) -> str:
    """What a shell in the guest prints."""
    pid = agent(hypervisor, vm, "guest-exec", path="/bin/sh", arg=["-c", script], **{"capture-output": True})["pid"]
    status: dict[str, Any] = {}

    def ended() -> bool:
        status.update(agent(hypervisor, vm, "guest-exec-status", pid=pid))
        return bool(status["exited"])

    wait_until(ended, f"the guest has run {script}")
    return base64.b64decode(status.get("out-data", "")).decode().strip()


def booted(hypervisor: Hypervisor, host: Host, name: str, **spec: Any) -> ObservedMachine:
    """A real guest whose agent answers."""
    image = {"image": "tiny.qcow2", "image_mode": "backing", "disk_gb": 1}
    vm = made(hypervisor, desired(host, name, "running", **image, **spec))
    domain = hypervisor.domain(vm.uuid)
    wait_until(lambda: read_domain(domain.xml()).guest_agent_connected, "the guest's agent is connected", 180)
    return vm
