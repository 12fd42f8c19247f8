# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of a VM's disks is meant, and what is said of it that is true of none."""

import dataclasses
from typing import Any

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import InvalidSpec
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.found_disk import Found, find_disk
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.wanted_disk import WantedDisk
from tests.core.plan.test_disk import BOTH, DATA, ROOT, SEED, chassis


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"target": "vdb"}, None),
        ({"serial": "data"}, None),
        ({"path": DATA.path}, DATA.path),
        ({"volume": "x"}, DATA.path),
    ],
)
def test_a_disk_is_found_by_what_is_said_of_it(fields: dict[str, Any], path: str | None) -> None:
    assert find_disk(WantedDisk(**fields), BOTH, path) == Found(DATA, DATA)


def test_a_disk_whose_files_were_changed_by_a_snapshot_is_the_same() -> None:
    overlaid = dataclasses.replace(DATA, path="/d/data.snap", backing_paths=("/d/data.qcow2",))
    wanted = WantedDisk(target="vdb", path=DATA.path)

    assert find_disk(wanted, chassis((ROOT, overlaid), (ROOT, overlaid)), DATA.path) == Found(overlaid, overlaid)
    assert find_disk(WantedDisk(target="vdb"), chassis((ROOT, DATA), (ROOT, overlaid)), None) == Found(DATA, overlaid)


def test_what_an_overlay_is_built_on_is_not_the_overlay() -> None:
    """Else whoever takes the base away by its path would take the disk."""
    base = "/images/base.qcow2"
    overlay = dataclasses.replace(DATA, backing_paths=(base,))

    assert find_disk(WantedDisk(path=base), chassis((ROOT, overlay)), base).drive is None


def test_one_that_is_in_one_side_only_is_found_there() -> None:
    assert find_disk(WantedDisk(serial="data"), chassis((ROOT,), (ROOT, DATA)), None) == Found(None, DATA)
    assert find_disk(WantedDisk(serial="data"), chassis((ROOT, DATA), (ROOT,)), None) == Found(DATA, None)
    assert find_disk(WantedDisk(serial="none"), BOTH, None) == Found(None, None)


@pytest.mark.parametrize(
    ("fields", "field", "message"),
    [
        ({"target": "vdb", "path": "/d/x"}, "path", r"not that of disk vdb, which is /d/data\.qcow2"),
        ({"target": "vdc", "path": "/d/data.qcow2"}, "path", "is disk vdb of this VM already"),
        ({"target": "vdc", "serial": "data"}, "serial", "is that of disk vdb"),
        ({"target": "vda", "serial": "data"}, "serial", "is that of disk vdb"),
        ({"target": "vdb", "serial": "other", "state": "absent"}, "serial", "is not that of disk vdb"),
        ({"target": "sda"}, "target", "is a cdrom drive, and no disk"),
        ({"target": "vdb", "bus": "virtio", "format": "raw"}, "format", "of disk vdb is qcow2"),
        ({"serial": "data", "bus": "scsi"}, "bus", "of disk vdb is virtio"),
    ],
)
def test_what_is_true_of_no_disk_is_refused(fields: dict[str, Any], field: str, message: str) -> None:
    vm = chassis((ROOT, DATA, SEED), (ROOT, DATA, SEED))

    with pytest.raises(InvalidSpec, match=message) as caught:
        find_disk(WantedDisk(**fields), vm, fields.get("path"))
    assert caught.value.field == field


def test_a_serial_that_two_disks_have_needs_the_target() -> None:
    twins = (ROOT, DATA, dataclasses.replace(DATA, target="vdc", path="/d/c"))

    with pytest.raises(InvalidSpec, match=r"several disks \(vdb, vdc\): say target"):
        find_disk(WantedDisk(serial="data"), chassis(twins), None)
