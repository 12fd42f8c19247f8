# SPDX-License-Identifier: GPL-3.0-or-later
"""A clone of a real Debian: its own cloud-init and systemd make another machine of it."""

import dataclasses

import libvirt
import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.ensure_clone import ensure_clone
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.power import force_stop
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.clone_wish import CloneWish
from ansible_collections.hostler.libvirt.plugins.module_utils.selection import OneMachine
from lab.host import Host
from lab.lab import Lab
from tests.core.actions.guests import SEED, desired, made, named, wait_until
from tests.core.actions.in_guest import said

pytestmark = [pytest.mark.lab, pytest.mark.slow]

BOOT_SECONDS = 250
"""Emulated, 34 s where nobody else wants the processor."""


@dataclasses.dataclass(frozen=True)
class Told:
    """What a guest says of itself."""

    host_name: str
    machine_id: str
    ssh_key: str
    journals: list[str]
    """The folders of its journal, each named as the machine that wrote into it."""
    state: str


def told(hypervisor: Hypervisor, name: str) -> Told:
    uuid = named(hypervisor, name).uuid

    def is_ready() -> bool:
        try:
            return "done" in said(hypervisor, uuid, "cloud-init status")
        except libvirt.libvirtError:
            return False  # its agent does not listen yet

    wait_until(is_ready, f"cloud-init of {name} has ended", BOOT_SECONDS)
    parts = ("hostname", "cat /etc/machine-id", "cat /etc/ssh/ssh_host_ed25519_key.pub", "cat /root/state")
    host_name, machine_id, key, state = (said(hypervisor, uuid, one).strip() for one in parts)
    journals = said(hypervisor, uuid, "ls /var/log/journal /run/log/journal").split()
    return Told(host_name, machine_id, key, [one for one in journals if len(one) == 32], state)


def test_a_clone_has_a_machine_id_and_keys_of_its_own(lab: Lab, hypervisor: Hypervisor, lab_host: Host) -> None:
    lab.up(debian=True)
    machine = {"image": "debian.qcow2", "image_mode": "backing", "disk_gb": 3, "memory_mb": 512, "cpu_cores": 1}
    source = made(hypervisor, desired(lab_host, "elder", "running", **machine, cloud_init=SEED))
    elder = told(hypervisor, "elder")
    said(hypervisor, source.uuid, "echo kept >/root/state; sync")
    force_stop(hypervisor, source.uuid)

    ensure_clone(hypervisor, OneMachine("elder"), CloneWish("younger", state="running"))

    younger = told(hypervisor, "younger")
    assert (elder.host_name, younger.host_name) == ("seeded", "younger")
    assert younger.state == "kept"
    assert len(younger.machine_id) == 32
    assert younger.machine_id != elder.machine_id
    assert younger.machine_id in younger.journals
    assert younger.ssh_key.startswith("ssh-ed25519 ")
    assert younger.ssh_key != elder.ssh_key
    force_stop(hypervisor, named(hypervisor, "younger").uuid)
