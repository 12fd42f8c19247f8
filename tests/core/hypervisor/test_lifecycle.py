# SPDX-License-Identifier: GPL-3.0-or-later
"""Hearing of a host's VMs; tests/collection/test_hostler_events.py does on a real one."""

import queue

from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.lifecycle import listening, standings
from ansible_collections.hostler.libvirt.plugins.module_utils.lifecycle import LifecycleEvent


def test_what_happens_is_heard_for_as_long_as_one_listens(test_driver: Hypervisor) -> None:
    heard: queue.Queue[LifecycleEvent] = queue.Queue()
    domain = test_driver.domains()[0]
    with listening(test_driver, heard.put, lambda: None):
        domain.destroy()
        event = heard.get(timeout=10)
    off = standings(test_driver)[domain.uuid]
    domain.start()
    on = standings(test_driver)[domain.uuid]

    assert event == LifecycleEvent(domain.name, domain.uuid, "stopped", "destroyed")
    assert (off.state, on.state) == ("off", "running")
    assert heard.empty()
