# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the running guests of a host are reached, asked of many."""

from __future__ import annotations

import signal

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.reach import Reach, reach
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.machine import GuestAddress
from lab.host import Host
from tests.core.actions.guests import desired, made, wait_until

pytestmark = pytest.mark.lab

CARD = "52:54:00:00:77:01"


def test_those_that_are_off_or_gone_are_left_out(hypervisor: Hypervisor, lab_host: Host) -> None:
    off = made(hypervisor, desired(lab_host, "off"))

    assert reach(hypervisor, [off.uuid, "6f1e3f0a-5b0e-4a57-9f6b-0c1d2e3f4a5b"], (), timeout=5) == {}


def test_a_guest_that_nobody_has_seen_is_where_its_network_wants_it(hypervisor: Hypervisor, lab_host: Host) -> None:
    network = hypervisor.handle.networkLookupByName("default")
    subnet = network.XMLDesc(0).partition("<ip address='")[2].partition("'")[0].rpartition(".")[0]
    host = f"<host mac='{CARD}' ip='{subnet}.77'/>"
    network.update(3, 4, 0, host, 1)  # add, a DHCP host, the live network
    try:
        card = {"type": "nat", "mac_address": CARD}
        vm = made(hypervisor, desired(lab_host, "declared", state="running", network_config=card))

        told = reach(hypervisor, [vm.uuid], [vm.uuid], timeout=5)
    finally:
        network.update(2, 4, 0, host, 1)

    assert told == {vm.uuid: Reach(GuestAddress(f"{subnet}.77", "declared"), 128 * 1024**2, hangs=False)}


def test_a_guest_whose_qemu_hangs_is_given_up_and_the_others_are_told(hypervisor: Hypervisor, lab_host: Host) -> None:
    card = {"type": "none"}
    hung = made(hypervisor, desired(lab_host, "hung", state="running", network_config=card))
    fine = made(hypervisor, desired(lab_host, "fine", state="running", network_config=card))
    process = lab_host.guest_process("hung")
    process.signal(signal.SIGSTOP)
    try:
        wait_until(lambda: reach(hypervisor, [hung.uuid], [hung.uuid], 5)[hung.uuid].hangs, "it hangs", timeout=30)
        both = reach(hypervisor, [hung.uuid, fine.uuid], [hung.uuid, fine.uuid], timeout=5)
    finally:
        process.signal(signal.SIGCONT)

    assert (both[hung.uuid].hangs, both[hung.uuid].disk_size) == (True, None)
    assert (both[fine.uuid].hangs, both[fine.uuid].disk_size) == (False, 128 * 1024**2)
