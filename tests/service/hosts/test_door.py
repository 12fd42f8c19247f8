# SPDX-License-Identifier: GPL-3.0-or-later
"""Opening connections to a libvirtd that may take its time."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostTimeout, HostUnreachable
from hostler.hosts.door import MOST_UNDER_WAY, Door
from lab.host import Host
from tests.core.actions.guests import wait_until
from tests.core.hypervisor.test_connection import connections


def opening(uri: str) -> int:
    """How many opens of that host are under way."""
    return sum(thread.name == f"open-{uri}" for thread in threading.enumerate())


def test_a_host_that_is_not_there_is_said_to_be_unreachable_to_all_who_wait() -> None:
    door = Door("qemu:///system?socket=/nonexistent/socket")

    def try_it(_number: int) -> None:
        with pytest.raises(HostUnreachable, match="/nonexistent/socket"):
            door.open(10)

    with ThreadPoolExecutor(8) as many:
        list(many.map(try_it, range(8)))


@pytest.mark.lab
def test_each_who_waits_gets_a_connection_of_its_own(lab_host: Host) -> None:
    door = Door(lab_host.uri)

    with ThreadPoolExecutor(10) as many:
        opened = list(many.map(lambda _number: door.open(30), range(10)))

    assert len({id(one) for one in opened}) == 10
    assert all(one.is_alive for one in opened)
    for one in opened:
        one.close()


@pytest.mark.lab
def test_a_host_that_hangs_is_given_up_by_who_waits_and_let_in_by_who_waits_when_it_goes_on(lab_host: Host) -> None:
    before = connections()
    door = Door(lab_host.uri)
    lab_host.pause_libvirtd()
    try:
        for _ in range(MOST_UNDER_WAY + 3):
            with pytest.raises(HostTimeout, match=r"no answer within 0\.1 s"):
                door.open(0.1)
        assert opening(lab_host.uri) == MOST_UNDER_WAY
        with ThreadPoolExecutor(1) as other:
            waiting = other.submit(door.open, 30)
            wait_until(lambda: waiting.running(), "somebody waits", timeout=10)
            lab_host.continue_libvirtd()
            hypervisor = waiting.result(30)
    finally:
        lab_host.continue_libvirtd()

    assert hypervisor.host_uuid() == str(lab_host.layout.uuid)
    hypervisor.close()
    wait_until(lambda: not opening(lab_host.uri), "all that were begun have ended", timeout=30)
    # those of others that stood before may have been closed meanwhile
    wait_until(lambda: connections() <= before, "and are closed", timeout=30)


@pytest.mark.lab
def test_who_gives_up_takes_nobody_else_s_place(lab_host: Host) -> None:
    door = Door(lab_host.uri)
    lab_host.pause_libvirtd()
    try:
        with ThreadPoolExecutor(2) as others:
            patient = others.submit(door.open, 60)
            wait_until(lambda: opening(lab_host.uri) == 1, "the patient one waits", timeout=10)
            with pytest.raises(HostTimeout):
                others.submit(door.open, 0.1).result(30)
            lab_host.continue_libvirtd()
            hypervisor = patient.result(30)
    finally:
        lab_host.continue_libvirtd()

    assert hypervisor.is_alive
    hypervisor.close()
    wait_until(lambda: not opening(lab_host.uri), "all that were begun have ended", timeout=30)
