# SPDX-License-Identifier: GPL-3.0-or-later
"""Hypervisors for the core's tests: libvirt's own test driver, and the lab's real one."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from lab.host import Host
from tests.core.actions.guests import swept

# a loaded machine is slow, and no test is about time; the fixtures that examples share hold nothing of an example
settings.register_profile(
    "hostler", deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
settings.load_profile("hostler")


@pytest.fixture
def test_driver() -> Iterator[Hypervisor]:
    """libvirt's test:///default, which all connections of a process share. What a test leaves is removed after it."""
    with swept("test:///default"), Hypervisor.open("test:///default") as hypervisor:
        yield hypervisor


@pytest.fixture
def hypervisor(lab_host: Host) -> Iterator[Hypervisor]:
    """The lab's host. Guests and volumes that a test leaves are removed after it."""
    with swept(lab_host.uri), Hypervisor.open(lab_host.uri) as opened:
        yield opened
