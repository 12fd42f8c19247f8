# SPDX-License-Identifier: GPL-3.0-or-later
"""What is told of volumes, and of those that can't be told of."""

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.gather_volumes import (
    VolumeInquiry,
    gather_volumes,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import InvalidSpec
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from lab.host import Host
from tests.core.machines import GIB


@pytest.mark.lab
def test_volumes_are_told_of_by_pool_and_name_and_missing_ones_after_them(
    hypervisor: Hypervisor, lab_host: Host
) -> None:
    for name in ("b.qcow2", "a.qcow2"):
        hypervisor.pool("default").create_volume(name, GIB, "qcow2")

    told = gather_volumes(hypervisor, VolumeInquiry(name=("nothing", "b.qcow2", "a.qcow2", "tiny.qcow2")))

    assert [(one["name"], one.get("pool")) for one in told.volumes] == [
        ("a.qcow2", "default"),
        ("b.qcow2", "default"),
        ("tiny.qcow2", "images"),
        ("nothing", None),
    ]
    first = told.volumes[0]
    assert (first["exists"], first["capacity"], first["size_gb"], first["format"]) == (True, GIB, 1.0, "qcow2")
    assert first["path"] == str(lab_host.layout.pools["default"] / "a.qcow2")
    assert (first["vms"], first["overlays"]) == ([], [])
    assert told.volumes[-1] == {"exists": False, "name": "nothing"}
    assert told.unreadable == []


@pytest.mark.lab
def test_a_pool_that_cant_be_read_spoils_no_other(hypervisor: Hypervisor) -> None:
    told = gather_volumes(hypervisor, VolumeInquiry(pool=("nowhere", "images"), users=False))

    assert "tiny.qcow2" in [one["name"] for one in told.volumes]
    assert all("vms" not in one for one in told.volumes)
    assert len(told.unreadable) == 1
    assert "nowhere" in told.unreadable[0]


@pytest.mark.lab
def test_what_somebody_has_put_there_is_known_after_a_look(hypervisor: Hypervisor, lab_host: Host) -> None:
    file = lab_host.layout.pools["default"] / "put.raw"
    file.write_bytes(bytes(512))
    try:
        assert not gather_volumes(hypervisor, VolumeInquiry(name=(file.name,))).volumes[0]["exists"]
        assert gather_volumes(hypervisor, VolumeInquiry(name=(file.name,), refresh=True)).volumes[0]["exists"]
    finally:
        file.unlink()
        hypervisor.pool("default").refresh()


def test_names_that_can_be_nobodys_are_refused(test_driver: Hypervisor) -> None:
    with pytest.raises(InvalidSpec) as caught:
        gather_volumes(test_driver, VolumeInquiry(name=("a/b",), pool=("",)))
    assert [error.field for error in caught.value.errors] == ["name.0", "pool.0"]


def test_libvirts_own_driver_has_volumes(test_driver: Hypervisor) -> None:
    test_driver.pool("default-pool").create_volume("kept", GIB, "raw")

    (told,) = gather_volumes(test_driver, VolumeInquiry()).volumes

    assert (told["name"], told["capacity"], told["pool"]) == ("kept", GIB, "default-pool")
