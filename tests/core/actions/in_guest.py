# SPDX-License-Identifier: GPL-3.0-or-later
"""What a guest itself says of its devices, by its agent."""

import base64
import json
import time
from typing import Any

import libvirt_qemu

from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.machine import ObservedMachine
from lab.host import Host
from tests.core.actions.guests import desired, made, named, wait_until


def booted(hypervisor: Hypervisor, host: Host, name: str, **spec: Any) -> ObservedMachine:
    """A VM whose guest has booted and listens."""
    image = {"image": "tiny.qcow2", "image_mode": "backing", "disk_gb": 1, "memory_mb": 160}
    made(hypervisor, desired(host, name, "running", **{**image, **spec}))
    listening(hypervisor, name)
    return named(hypervisor, name)


def listening(hypervisor: Hypervisor, name: str) -> None:
    """Wait until the guest's agent listens."""

    def listens() -> bool:
        running = named(hypervisor, name).running
        return running is not None and running.guest_agent_connected

    wait_until(listens, "the guest listens")


def said(hypervisor: Hypervisor, uuid: str, command: str) -> str:
    """What the shell command prints in the guest."""
    handle = hypervisor.domain(uuid).handle

    def asked(execute: str, **arguments: Any) -> Any:
        wanted = json.dumps({"execute": execute, "arguments": arguments})
        return json.loads(libvirt_qemu.qemuAgentCommand(handle, wanted, 20, 0))["return"]

    pid = asked("guest-exec", path="/bin/sh", arg=["-c", command], **{"capture-output": True})["pid"]
    while True:
        answer = asked("guest-exec-status", pid=pid)
        if answer["exited"]:
            return base64.b64decode(answer.get("out-data", "")).decode()
        time.sleep(0.1)
