# SPDX-License-Identifier: GPL-3.0-or-later
"""Which domain type really runs guests: what the host offers is no answer."""

import time

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import Unsupported
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.accelerator import (
    PROBE_SECONDS,
    choose_virt_type,
    find_accelerator,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from lab.host import Host


def test_the_test_driver_has_one_kind(test_driver: Hypervisor) -> None:
    assert choose_virt_type(test_driver, "auto") == "test"
    assert find_accelerator(test_driver).virt_type == "test"


@pytest.mark.lab
def test_a_wish_is_granted_without_a_guest_and_refused_if_the_host_can_not(hypervisor: Hypervisor) -> None:
    assert choose_virt_type(hypervisor, "qemu") == "qemu"
    with pytest.raises(Unsupported) as caught:
        choose_virt_type(hypervisor, "xen")
    assert caught.value.field == "virt_type"


@pytest.mark.lab
@pytest.mark.slow
def test_auto_finds_what_the_lab_found_and_leaves_nothing_behind(hypervisor: Hypervisor, lab_host: Host) -> None:
    """The lab's own probe boots its image from disk; this one only has firmware. They have to agree."""
    before = {domain.uuid for domain in hypervisor.domains()}
    started = time.monotonic()

    found = find_accelerator(hypervisor)

    assert time.monotonic() - started < PROBE_SECONDS + 10
    assert found.virt_type == lab_host.virt_type
    assert found.proved, found.reason
    assert {domain.uuid for domain in hypervisor.domains()} == before
    left = [path for path in lab_host.layout.folder.rglob("*hostler-probe*") if path.suffix != ".log"]
    assert left == []  # nor its NVRAM
