# SPDX-License-Identifier: GPL-3.0-or-later
"""The same plain VM in all its forms: as a spec, a record, as observed. A test changes what it is about."""

import dataclasses
from typing import Any

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.definition import Disk, DomainDefinition
from ansible_collections.hostler.libvirt.plugins.module_utils.identity import Record
from ansible_collections.hostler.libvirt.plugins.module_utils.machine import ObservedDisk, ObservedMachine
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.surroundings import (
    ImageFacts,
    PoolFacts,
    Surroundings,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.spec import MachineSpec

GIB = 1024**3
MIB = 1024**2
UUID = "6f1e3f0a-5b0e-4a57-9f6b-0c1d2e3f4a5b"
OTHER_UUID = "0d9c8b7a-1111-4222-8333-944455566677"

SPEC = MachineSpec("web-1", 2, 1024, 10)
RECORD = Record(uuid=UUID, created="2024-05-06T07:08:09Z", os_type="linux")
FULL_RECORD = Record(
    uuid=UUID,
    created="2024-05-06T07:08:09Z",
    id=4711,
    owner="ada",
    os_type="linux",
    os_version="Debian 12",
    description="What it is for",
    tags=("env=test", "a/b"),
    metadata=(("rack", "12"), ("site/owner", "Zoë <zoe@example.com>\n& co")),
    protected=True,
    template=True,
    revision=3,
    incomplete=True,
    cloned_from="0d9c8b7a-1111-4222-8333-944455566677",
    kept=("/srv/archive.raw", "/srv/<&>\n.raw"),
)
IMAGE = ImageFacts("debian.qcow2", "/images/debian.qcow2", "qcow2", 2 * GIB, GIB)
IMAGES = {IMAGE.name: IMAGE}
SURROUNDINGS = Surroundings(
    virt_type="qemu",
    pool=PoolFacts("default", "dir", "/disks", 200 * GIB, 100 * GIB),
    image_pool="images",
    nat_network="default",
)


def observed(**changes: Any) -> ObservedMachine:
    """A VM of ours that is off, with 2 vCPUs, 1 GiB of memory and a disk of 10 GiB; ``record`` is its record."""
    record = changes.pop("record", RECORD)
    definition = DomainDefinition(
        name=changes.get("name", "web-1"),
        uuid=changes.get("uuid", UUID),
        type="qemu",
        vcpus=changes.pop("vcpus", 2),
        memory_kib=changes.pop("memory_kib", 1024**2),
        disks=(Disk("disk", "vda", path="/disks/web-1.qcow2", format="qcow2"),),
        record=record,
    )
    machine = ObservedMachine(
        uuid=definition.uuid,
        name=definition.name,
        status="stopped",
        is_active=False,
        is_persistent=True,
        autostart=False,
        definition=definition,
        disks=(ObservedDisk("vda", "disk", "/disks/web-1.qcow2", "qcow2", changes.pop("disk_size", 10 * GIB)),),
        vnc_port=None,
        address=None,
    )
    return dataclasses.replace(machine, **changes)
