# SPDX-License-Identifier: GPL-3.0-or-later
"""What is told of pools: all of them, whatever state one of them is in."""

import os
from pathlib import Path

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.gather_pools import PoolInquiry, gather_pools
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import InvalidSpec, OperationFailed
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.patience import UnderWay
from lab.host import Host
from tests.core.actions.pools import hanging, pools_swept
from tests.core.machines import MIB


@pytest.mark.lab
def test_every_pool_is_told_of_and_one_that_is_not_there_is_no_error(
    hypervisor: Hypervisor, lab_host: Host, tmp_path: Path
) -> None:
    hypervisor.pool("default").create_volume("told.qcow2", MIB, "qcow2")
    lab_host.virsh("pool-define-as", "asleep", "dir", "--target", tmp_path)
    with pools_swept(lab_host.uri):
        everything = {one["name"]: one for one in gather_pools(hypervisor, PoolInquiry(volumes=True))}
        some = gather_pools(hypervisor, PoolInquiry(name=("nowhere", "default", "default")))
        lab_host.virsh("pool-undefine", "asleep")

    assert {"default", "images", "asleep"} <= set(everything)
    default = everything["default"]
    assert (default["state"], default["type"], default["unreadable"]) == ("active", "dir", [])
    assert default["path"] == str(lab_host.layout.pools["default"])
    assert default["capacity"] >= default["allocation"] + default["available"] > 0
    assert "told.qcow2" in default["volumes"]
    asleep = everything["asleep"]
    assert (asleep["state"], asleep["capacity"], asleep["volumes"]) == ("inactive", None, None)
    assert some[0] == {"exists": False, "name": "nowhere"}
    assert [one["name"] for one in some] == ["nowhere", "default"]
    assert "volumes" not in some[1]
    assert gather_pools(hypervisor, PoolInquiry(name=())) == []


@pytest.mark.lab
def test_what_somebody_has_put_there_is_known_after_a_look(hypervisor: Hypervisor, lab_host: Host) -> None:
    file = lab_host.layout.pools["default"] / "put-there.raw"
    file.write_bytes(bytes(512))
    try:
        inquiry = PoolInquiry(name=("default",), volumes=True)
        assert file.name not in gather_pools(hypervisor, inquiry)[0]["volumes"]
        inquiry = PoolInquiry(name=("default",), volumes=True, refresh=True)
        assert file.name in gather_pools(hypervisor, inquiry)[0]["volumes"]
    finally:
        file.unlink()
        hypervisor.pool("default").refresh()


@pytest.mark.lab
@pytest.mark.skipif(os.geteuid() != 0, reason="a user can't have a file system hang")
def test_a_pool_that_hangs_spoils_no_other(hypervisor: Hypervisor, lab_host: Host) -> None:
    folder = lab_host.layout.pools["default"].parent / "hanging"
    folder.mkdir()
    lab_host.virsh("pool-define-as", "hanging", "dir", "--target", folder)
    try:
        with pools_swept(lab_host.uri), hanging(lab_host, folder):
            other = Hypervisor.open(lab_host.uri)
            starting = UnderWay(lambda: other.handle.storagePoolLookupByName("hanging").create(0))
            assert not starting.ends_within(0.5)

            told = gather_pools(hypervisor, PoolInquiry(name=("hanging", "default"), timeout=1))
            assert told[0]["exists"]
            assert "no answer within 1 s" in told[0]["unreadable"][0]
            assert (told[1]["state"], told[1]["unreadable"]) == ("active", [])
            with pytest.raises(OperationFailed, match="Failed to list the storage pools: no answer within 1 s"):
                gather_pools(hypervisor, PoolInquiry(timeout=1))
    finally:
        assert starting.ends_within(20)
        other.close()
        lab_host.virsh("pool-undefine", "hanging")
        folder.rmdir()


def test_what_can_be_no_pool_is_refused(test_driver: Hypervisor) -> None:
    with pytest.raises(InvalidSpec, match=r"name\.1: must be") as caught:
        gather_pools(test_driver, PoolInquiry(name=("a", "b/c"), timeout=0.5))
    assert [error.field for error in caught.value.errors] == ["timeout", "name.1"]


def test_libvirts_own_driver_tells_of_its_pool(test_driver: Hypervisor) -> None:
    (told,) = gather_pools(test_driver, PoolInquiry())

    assert (told["name"], told["type"], told["state"]) == ("default-pool", "dir", "active")
