# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading what a host and its VMs have used, in how many calls."""

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.measure import measure
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from lab.host import Host
from tests.core.actions.guests import desired, made
from tests.core.actions.test_gather import calls_counted, defined


def test_the_test_driver_tells_who_runs_and_what_its_pools_hold(test_driver: Hypervisor) -> None:
    defined(test_driver, "calm")
    found = measure(test_driver)

    (usage,) = found.machines.values()
    assert usage.cpu_nanoseconds is None
    assert (found.host.memory_total_kib, found.host.memory_used_kib) == (None, None)
    assert found.host.pools["default-pool"].capacity == 100 * 1024**3


@pytest.mark.lab
def test_all_that_run_are_read_by_one_call_and_those_that_do_not_are_left_out(
    lab_host: Host, hypervisor: Hypervisor
) -> None:
    pair = [made(hypervisor, desired(lab_host, name, "running")) for name in ("usage-a", "usage-b")]
    off = made(hypervisor, desired(lab_host, "usage-off"))
    with calls_counted() as calls:
        found = measure(hypervisor)
    later = measure(hypervisor)

    assert calls["virConnectGetAllDomainStats"] == 1
    del calls["virStoragePoolGetName"]  # which the library knows by itself
    assert sum(calls.values()) == 4 + len(found.host.pools)
    assert {one.uuid for one in pair} <= found.machines.keys()
    assert off.uuid not in found.machines
    for one in pair:
        usage = found.machines[one.uuid]
        assert (usage.vcpus, usage.memory_kib) == (1, 128 * 1024)
        assert None not in usage._replace(memory_used_kib=0)
        assert usage.run == later.machines[one.uuid].run
        assert (later.machines[one.uuid].cpu_nanoseconds or 0) >= (usage.cpu_nanoseconds or 0) > 0
    assert set(found.host.cpu_times) == {"user", "kernel", "idle", "iowait"}
    assert 0 < (found.host.memory_used_kib or 0) < (found.host.memory_total_kib or 0)
    assert 0 < found.host.pools["default"].available <= found.host.pools["default"].capacity
