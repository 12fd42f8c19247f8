# SPDX-License-Identifier: GPL-3.0-or-later
"""What a disk can be of no VM on no host is refused by the name of its field."""

from typing import Any

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import InvalidSpec
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.wanted_disk import (
    WantedDisk,
    WantedLimits,
    validate_disk,
)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "target"),
        ({"target": "vdb", "path": "relative"}, "path"),
        ({"target": "vdb", "path": "/a/../b"}, "path"),
        ({"target": "vdb", "path": "/a//b"}, "path"),
        ({"target": "vdb", "path": "/"}, "path"),
        ({"target": "vdb", "path": "/a\x00"}, "path"),
        ({"path": "/a", "volume": "a"}, "volume"),
        ({"target": "vdb", "path": "/a\nb"}, "path"),
        ({"volume": "../a"}, "volume"),
        ({"volume": ".."}, "volume"),
        ({"volume": "é" * 128}, "volume"),
        ({"volume": "a", "image": "b", "size_gb": 1.0}, "image"),
        ({"path": "/a", "image": "b"}, "image"),
        ({"target": "vd/../a"}, "target"),
        ({"target": "vdb", "bus": "scsi"}, "target"),
        ({"target": "sdb", "bus": "virtio"}, "target"),
        ({"serial": "two words"}, "serial"),
        ({"serial": "s" * 21}, "serial"),
        ({"target": "vdb", "size_gb": 0.0}, "size_gb"),
        ({"target": "vdb", "size_gb": float("nan")}, "size_gb"),
        ({"target": "vdb", "cache": "some"}, "cache"),
        ({"target": "vdb", "limits": WantedLimits(read_iops_sec=-1)}, "limits.read_iops_sec"),
        ({"target": "vdb", "timeout": -1.0}, "timeout"),
        ({"target": "vdb", "shareable": True, "format": "qcow2"}, "shareable"),
        ({"target": "vdb", "live": "yes"}, "live"),
        ({"target": "vdb", "image": "i", "image_mode": "backing", "format": "raw"}, "image_mode"),
        ({"target": "vdb", "image": "i", "image_mode": "backing", "shareable": True}, "image_mode"),
    ],
)
def test_what_can_be_of_no_vm_is_refused_by_its_field(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        validate_disk(WantedDisk(**fields))
    assert caught.value.field == field
