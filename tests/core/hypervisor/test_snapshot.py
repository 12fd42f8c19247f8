# SPDX-License-Identifier: GPL-3.0-or-later
"""What libvirt says of a host that matters to snapshots, and how its errors about them are told."""

import libvirt
import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import SnapshotNotFound
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.snapshot import Snapshots
from ansible_collections.hostler.libvirt.plugins.module_utils.snapshot import Snapshot, SnapshotDisk

EXTERNAL_SINCE = 9_009_000


@pytest.mark.lab
def test_a_libvirt_says_by_itself_whether_it_reverts_external_ones(hypervisor: Hypervisor) -> None:
    assert hypervisor.has_guest_feature("disksnapshot")
    assert hypervisor.has_guest_feature("externalSnapshot") is (libvirt.getVersion() >= EXTERNAL_SINCE)
    assert not hypervisor.has_guest_feature("no-such-thing")


def test_the_current_one_stays_so_when_it_is_defined_again(test_driver: Hypervisor) -> None:
    domain = test_driver.find_domain_named("test")
    assert domain is not None
    snapshots = Snapshots(domain)
    try:
        for name in ("one", "two"):
            snapshots.take(Snapshot(name, 0, "", memory="internal", disks=(SnapshotDisk("vda", "internal"),)))
        for one in snapshots.all():
            snapshots.redefine(snapshots.xml(one.name), one.current)

        assert [(one.name, one.parent, one.current) for one in snapshots.all()] == [
            ("one", None, False), ("two", "one", True),
        ]  # fmt: skip
        with pytest.raises(SnapshotNotFound):
            snapshots.xml("three")
        with pytest.raises(SnapshotNotFound):
            snapshots.revert("three", "as-taken")
    finally:
        for one in reversed(snapshots.all()):
            snapshots.remove(one.name)
