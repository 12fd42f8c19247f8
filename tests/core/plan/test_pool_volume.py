# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a volume changes, and what is refused before anything is touched."""

from typing import Any

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    HostlerError,
    InvalidSpec,
    NotEnoughSpace,
    Unsupported,
    VolumeNotFound,
    WrongState,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.pool_volume import (
    FoundVolume,
    UserVm,
    VolumeUsers,
    plan_volume,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.pool_volume_steps import (
    MakeVolume,
    RemoveVolume,
    ResizeVolume,
    WipeVolume,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Plan
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.surroundings import ImageFacts, PoolFacts
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.wanted_volume import WantedVolume, validate_volume
from tests.core.machines import GIB, MIB

POOL = PoolFacts("default", "dir", "/srv", 100 * GIB, 10 * GIB)
LVM = PoolFacts("fast", "logical", "/dev/vg", 100 * GIB, 10 * GIB)
BASE = ImageFacts("base.qcow2", "/srv/base.qcow2", "qcow2", 2 * GIB, MIB)
THERE = FoundVolume("/srv/a", "file", "qcow2", GIB)
RUNNING = VolumeUsers(vms=(UserVm("web", runs=True, writes=True),))
OFF = VolumeUsers(vms=(UserVm("web", runs=False, writes=True),))
BUILT_ON = VolumeUsers(overlays=(("other", "b"),))


def planned(
    found: FoundVolume | None = None, pool: PoolFacts = POOL, image: ImageFacts | None = None, **options: Any
) -> Plan:
    wanted = validate_volume(WantedVolume("a", pool.name, **options))
    return plan_volume(found, wanted, pool, image)


def planned_of_base(**options: Any) -> Plan:
    return planned(image=BASE, source=BASE.name, **options)


def only(plan: Plan) -> Any:
    (step,) = plan.steps
    return step.operation


def found(users: VolumeUsers, **changes: Any) -> FoundVolume:
    return FoundVolume("/srv/a", changes.get("type", "file"), "qcow2", GIB, users, changes.get("unfinished", False))


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"name": "a/b"}, "name"),
        ({"name": ".."}, "name"),
        ({"name": "é" * 128}, "name"),
        ({"pool": ""}, "pool"),
        ({"size_gb": 0.0}, "size_gb"),
        ({"size_gb": 1e9}, "size_gb"),
        ({"timeout": 0.5}, "timeout"),
        ({"wipe": True}, "wipe"),
        ({"allow_shrink": True}, "allow_shrink"),
        ({"source_pool": "x"}, "source_pool"),
        ({"source_mode": "backing"}, "source_mode"),
        ({"trust_source": True}, "trust_source"),
        ({"source": "a"}, "source"),
        ({"source": "a", "source_pool": "default"}, "source"),
        ({"source": "b", "preallocation": "full"}, "preallocation"),
        ({"source": "b", "source_mode": "backing", "format": "raw"}, "format"),
        ({"preallocation": "metadata", "format": "raw"}, "preallocation"),
    ],
)
def test_what_can_be_no_volume_is_refused_by_its_field(options: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        validate_volume(WantedVolume(**{"name": "a", **options}))
    assert [error.field for error in caught.value.errors] == [field]


def test_a_new_one_is_a_sparse_qcow2_in_a_pool_of_files_and_raw_elsewhere() -> None:
    made = only(planned(size_gb=1.0001))
    assert isinstance(made, MakeVolume)
    assert (made.capacity, made.format, made.preallocation) == (GIB + MIB, "qcow2", "none")
    plan = planned(pool=LVM, size_gb=1.0)
    assert only(plan).format is None
    assert plan.after["format"] == "raw"


def test_one_that_has_a_source_is_as_large_as_that_or_larger() -> None:
    assert only(planned_of_base()).capacity == 2 * GIB
    assert only(planned_of_base(size_gb=3.0)).capacity == 3 * GIB
    with pytest.raises(InvalidSpec, match="size_gb: must be at least that of its source, 2 GiB"):
        planned_of_base(size_gb=1.0)


@pytest.mark.parametrize(
    ("pool", "options", "kind", "field"),
    [
        (POOL, {}, VolumeNotFound, "size_gb"),
        (POOL, {"size_gb": 101.0}, NotEnoughSpace, "size_gb"),
        (POOL, {"size_gb": 11.0, "preallocation": "full"}, NotEnoughSpace, "size_gb"),
        (LVM, {"size_gb": 11.0}, NotEnoughSpace, "size_gb"),
        (LVM, {"size_gb": 1.0, "format": "qcow2"}, InvalidSpec, "format"),
        (LVM, {"size_gb": 1.0, "preallocation": "metadata"}, InvalidSpec, "preallocation"),
        (LVM, {"source": "b", "source_mode": "backing"}, InvalidSpec, "source_mode"),
    ],
)
def test_what_the_pool_cant_hold_is_refused(
    pool: PoolFacts, options: dict[str, Any], kind: type[HostlerError], field: str
) -> None:
    with pytest.raises(kind) as caught:
        planned(pool=pool, image=BASE if "source" in options else None, **options)
    assert caught.value.field == field


def test_what_may_grow_may_promise_more_than_is_free() -> None:
    assert planned(size_gb=99.0).changed


def test_what_is_there_stays_whatever_is_said_of_a_new_one() -> None:
    assert not planned(THERE, source="b", source_mode="backing", size_gb=1.0).changed
    assert not planned(THERE, preallocation="full").changed
    assert not planned(FoundVolume("/srv/a", "file", "qcow2", GIB + 5), size_gb=1.0).changed


def test_it_grows_and_shrinks_only_where_that_is_allowed() -> None:
    grown = planned(THERE, size_gb=2.0)
    assert isinstance(only(grown), ResizeVolume)
    assert (grown.before, grown.after) == ({"size_gb": 1.0}, {"size_gb": 2.0})
    with pytest.raises(InvalidSpec, match="allow_shrink cuts off"):
        planned(THERE, size_gb=0.5)
    assert only(planned(THERE, size_gb=0.5, allow_shrink=True)).capacity == GIB // 2


@pytest.mark.parametrize(
    ("users", "size", "says"),
    [
        (RUNNING, 2.0, "in use by VM 'web', which runs"),
        (RUNNING, 0.5, "in use by VM 'web', which runs"),
        (BUILT_ON, 0.5, "volume 'b' in storage pool 'other' is built on it"),
    ],
)
def test_nobody_loses_by_a_resize(users: VolumeUsers, size: float, says: str) -> None:
    with pytest.raises(WrongState, match=says) as caught:
        planned(found(users), size_gb=size, allow_shrink=True)
    assert caught.value.field == "size_gb"


@pytest.mark.parametrize("users", [OFF, BUILT_ON])
def test_what_nobody_runs_with_can_grow(users: VolumeUsers) -> None:
    assert planned(found(users), size_gb=2.0).changed


@pytest.mark.parametrize(
    ("volume", "kind", "says"),
    [
        (found(RUNNING), WrongState, "VM 'web'"),
        (found(OFF), WrongState, "VM 'web'"),
        (found(BUILT_ON), WrongState, "volume 'b' in storage pool 'other'"),
        (found(VolumeUsers(), unfinished=True), WrongState, "being uploaded"),
        (found(VolumeUsers(), type="dir"), Unsupported, "is a folder"),
    ],
)
def test_what_somebody_needs_is_not_deleted(volume: FoundVolume, kind: type[HostlerError], says: str) -> None:
    with pytest.raises(kind, match=says) as caught:
        planned(volume, state="absent")
    assert caught.value.field == "name"


def test_it_is_wiped_before_it_goes_where_that_is_asked_for() -> None:
    assert [type(step.operation) for step in planned(THERE, state="absent", wipe=True).steps] == [
        WipeVolume,
        RemoveVolume,
    ]
    assert [type(step.operation) for step in planned(THERE, state="absent").steps] == [RemoveVolume]
    assert not planned(None, state="absent").changed


def test_another_format_is_refused() -> None:
    with pytest.raises(InvalidSpec, match="format: can't be changed: volume 'a' is qcow2"):
        planned(THERE, format="raw")
