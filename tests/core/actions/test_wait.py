# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for a guest: it ends when the guest is so far, when its time is up, and when there is nothing to wait for."""

import dataclasses

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.actions import power
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.ensure import ensure
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.wait import wait
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import GuestTimeout, OperationFailed
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.wait import WaitFor
from lab.host import Host
from tests.core.actions.guests import desired, made

pytestmark = pytest.mark.lab


@pytest.mark.slow
def test_a_guest_is_waited_for_until_its_agent_its_address_and_its_port_are_there_and_until_it_is_off(
    hypervisor: Hypervisor, lab_host: Host
) -> None:
    user_data = '#cloud-config\n{"runcmd": ["httpd -p 8022"]}\n'
    wanted = desired(
        lab_host, "waited-for", "running", image="tiny.qcow2", image_mode="backing", cloud_init={"user_data": user_data}
    )
    answer = ensure(hypervisor, dataclasses.replace(wanted, wait_for="agent", wait_timeout=90))
    uuid = answer["vm"]["uuid"]

    there = ensure(hypervisor, dataclasses.replace(wanted, wait_for="port", wait_port=8022, wait_timeout=90))
    assert there["changed"] is False
    assert there["vm"]["ip_address"]
    wait(hypervisor, uuid, WaitFor("address", 0))
    power.ask_to_stop(hypervisor, uuid)
    wait(hypervisor, uuid, WaitFor("off", 90))


def test_a_guest_that_does_not_come_is_given_up_and_runs_on(hypervisor: Hypervisor, lab_host: Host) -> None:
    vm = made(hypervisor, desired(lab_host, "never-there", "running"))  # its disk is blank

    for wanted, missed in (
        (WaitFor("agent", 0), "has no guest agent"),
        (WaitFor("address", 0.1), "has no address"),
        (WaitFor("port", 0, 22), "takes no connection at port 22"),
        (WaitFor("off", 0), "is still on"),
    ):
        with pytest.raises(GuestTimeout, match=missed):
            wait(hypervisor, vm.uuid, wanted)
    assert not power.is_off(hypervisor, vm.uuid)


def test_nothing_of_a_guest_is_waited_for_that_is_off(hypervisor: Hypervisor, lab_host: Host) -> None:
    vm = made(hypervisor, desired(lab_host, "never-on"))

    with pytest.raises(OperationFailed, match="is off"):
        wait(hypervisor, vm.uuid, WaitFor("agent", 60))
    wait(hypervisor, vm.uuid, WaitFor("off", 0))


def test_a_paused_start_lets_no_guest_run(hypervisor: Hypervisor, lab_host: Host) -> None:
    wanted = desired(lab_host, "stands-still", "paused")

    predicted = ensure(hypervisor, wanted, check=True)
    done = ensure(hypervisor, wanted)

    assert done["diff"] == predicted["diff"]
    assert done["vm"]["status"] == "paused"
    assert ensure(hypervisor, wanted)["changed"] is False
    assert ensure(hypervisor, dataclasses.replace(wanted, state="running"))["vm"]["status"] == "running"
