# SPDX-License-Identifier: GPL-3.0-or-later
"""How disks come along, and which are refused before anything is touched."""

import dataclasses
from typing import Any

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.needs import Needs
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    HostlerError,
    InvalidSpec,
    NameTaken,
    NotEnoughSpace,
    PoolNotFound,
    Unsupported,
    WrongState,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.migration_facts import FileFacts, MovedFile
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.migration_steps import CarryVolume, MakeTarget
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.surroundings import PoolFacts
from tests.core.machines import GIB, UUID
from tests.core.plan.migrating import BELOW, DISK, HOST, LOCAL, POOL, SEED, SHARED, around, machine, operations, planned

OVERLAY = dataclasses.replace(LOCAL, backing=(BELOW,))
OFF = machine(status="stopped")


def changed(file: MovedFile, **changes: Any) -> MovedFile:
    return dataclasses.replace(file, **changes)


def in_pool(kind: str) -> FileFacts:
    return dataclasses.replace(DISK, pool=PoolFacts("p", kind, "/disks", 200 * GIB, 100 * GIB))


def first(file: MovedFile, vm: Any = None, **wish: Any) -> Any:
    return operations(planned(around(vm, files=(file,)), **wish))[0]


def test_a_disk_of_a_running_vm_is_made_anew_and_what_it_is_built_on_with_it_unless_it_is_there() -> None:
    there = changed(OVERLAY, backing=(changed(BELOW, there=BELOW.here, alike=True),))

    assert first(LOCAL, storage="copied") == MakeTarget(UUID, "default", "web-1.qcow2", 10 * GIB, "qcow2")
    assert first(OVERLAY, storage="copied").backing is None
    assert first(there, storage="incremental").backing == "/images/base.qcow2"


def test_a_disk_of_a_vm_that_is_off_is_carried_as_it_is_or_flattened() -> None:
    there = changed(OVERLAY, backing=(changed(BELOW, there=BELOW.here, alike=True),))

    assert first(LOCAL, OFF, storage="copied") == CarryVolume(UUID, LOCAL.path, "default", "web-1.qcow2")
    assert first(OVERLAY, OFF, storage="copied").flatten
    assert not first(there, OFF, storage="incremental").flatten


def test_what_an_earlier_migration_has_left_is_made_anew() -> None:
    rest = changed(LOCAL, there=DISK, marked=True)
    assert isinstance(first(rest, storage="copied"), MakeTarget)


def test_a_seed_that_is_there_already_is_not_copied_again() -> None:
    plan = planned(around(files=(LOCAL, changed(SEED, there=SEED.here, alike=True))), storage="copied")
    assert not any(isinstance(one, CarryVolume) for one in operations(plan))


@pytest.mark.parametrize(
    ("file", "wish", "kind", "says"),
    [
        (LOCAL, {}, Unsupported, "web-1.qcow2 of vda is not there, in any storage pool"),
        (LOCAL, {"unsafe": True}, Unsupported, "is not there"),
        (changed(SHARED, alike=False), {}, Unsupported, "is another file there"),
        (changed(SHARED, same=False), {"unsafe": True}, Unsupported, "is another file there"),
        (changed(LOCAL, here=None), {}, Unsupported, "in no storage pool, so nobody can tell"),
        (changed(SHARED, here=in_pool("logical")), {}, Unsupported, "of type logical"),
        (changed(SHARED, backing=(BELOW,)), {}, Unsupported, "base.qcow2 of vda is not there"),
        (changed(SEED, own_seed=False), {"storage": "copied"}, Unsupported, "not write to and which is not copied"),
        (changed(LOCAL, here=None), {"storage": "copied"}, Unsupported, "in no storage pool of files"),
        (changed(LOCAL, here=in_pool("logical")), {"storage": "copied"}, Unsupported, "in no storage pool of files"),
        (changed(LOCAL, shareable=True), {"storage": "copied"}, Unsupported, "shared with other VMs"),
        (changed(LOCAL, here=dataclasses.replace(DISK, format="vmdk")), {"storage": "copied"}, Unsupported, "vmdk"),
        (changed(LOCAL, pool_there=None), {"storage": "copied"}, PoolNotFound, "no active storage pool of files"),
        (changed(LOCAL, there=DISK), {"storage": "copied"}, NameTaken, "has a /disks/web-1.qcow2 already"),
        (OVERLAY, {"storage": "incremental"}, Unsupported, "base.qcow2, which vda is built on, is not there"),
        (
            changed(OVERLAY, backing=(changed(BELOW, there=BELOW.here),)),
            {"storage": "incremental"}, Unsupported, "built on, is another file there",
        ),
        (
            changed(LOCAL, pool_there=dataclasses.replace(POOL, available=GIB)),
            {"storage": "copied"}, NotEnoughSpace, "1 GiB free, less than the 2 GiB of the disks",
        ),
    ],
)  # fmt: skip
def test_disks_that_would_not_be_there_are_refused(
    file: MovedFile, wish: dict[str, Any], kind: type[HostlerError], says: str
) -> None:
    for vm in (machine(), OFF):
        with pytest.raises(kind, match=says) as caught:
            planned(around(vm, files=(file,)), **wish)
        assert caught.value.field == "storage"


def test_who_says_so_is_believed_of_what_nobody_can_look_at() -> None:
    for file in (
        changed(LOCAL, here=None),
        changed(SHARED, here=None, alike=False),
        changed(SHARED, here=in_pool("logical")),
    ):
        assert planned(around(files=(file,)), unsafe=True).changed


def test_flattened_disks_need_the_room_of_what_they_are_built_on() -> None:
    little = dataclasses.replace(POOL, available=5 * GIB // 2)
    plan = planned(around(files=(changed(LOCAL, pool_there=little),)), storage="copied")
    assert plan.changed
    with pytest.raises(NotEnoughSpace, match="less than the 3 GiB"):
        planned(around(files=(changed(OVERLAY, pool_there=little),)), storage="copied")


def test_disks_that_change_at_the_next_boot_are_not_copied() -> None:
    with pytest.raises(WrongState, match="restart it before"):
        planned(around(files=(LOCAL,), disks_differ=True), storage="copied")
    assert planned(around(disks_differ=True)).changed


def test_a_pool_that_a_disk_names_has_to_be_the_same_there() -> None:
    needs = Needs(pools=("default",))
    alike = dataclasses.replace(HOST, pools={"default": "/disks"}, pools_here={"default": "/disks"})

    assert planned(around(needs=needs, other=alike)).changed
    with pytest.raises(PoolNotFound, match="no active storage pool 'default'"):
        planned(around(needs=needs))
    with pytest.raises(InvalidSpec, match="at another path on b"):
        planned(around(needs=needs, other=dataclasses.replace(alike, pools={"default": "/else"})))
