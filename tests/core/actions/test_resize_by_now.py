# SPDX-License-Identifier: GPL-3.0-or-later
"""A volume that is to be resized may have got a user since it was looked at: libvirt would resize it all the same."""

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.pool_volumes import resize
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import WrongState
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.volume import Volume
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.pool_volume_steps import ResizeVolume

MIB = 1024 * 1024
DOMAIN = """<domain type='test'><name>by-now</name><memory>65536</memory><os><type>hvm</type></os><devices>
<disk type='file' device='disk'><source file='{path}'/><target dev='vda'/></disk></devices></domain>"""


@pytest.mark.parametrize(("capacity", "doing"), [(2 * MIB, "grow"), (MIB // 2, "shrink")])
def test_the_disk_of_a_vm_that_runs_by_now_is_not_resized(
    test_driver: Hypervisor, monkeypatch: pytest.MonkeyPatch, capacity: int, doing: str
) -> None:
    volume = test_driver.pool("default-pool").create_volume("by-now.raw", MIB, "raw")
    domain = test_driver.handle.createXML(DOMAIN.format(path=volume.path), 0)
    resized: list[int] = []
    monkeypatch.setattr(Volume, doing, lambda _self, size: resized.append(size))

    try:
        with pytest.raises(WrongState, match=r"in use by VM 'by-now', which runs by now"):
            resize(test_driver, ResizeVolume("default-pool", "by-now.raw", capacity, MIB, 10))
    finally:
        domain.destroy()
        volume.delete()

    assert resized == []
