# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan that makes a VM of another one.

As with a new VM the domain comes first, marked incomplete, and names the disks that are made next: a clone that is
killed at any moment leaves nothing that the host itself can't account for.
"""

from __future__ import annotations

import dataclasses
import posixpath
from typing import Any, Dict, List, Optional, Tuple

from ansible_collections.hostler.libvirt.plugins.module_utils.cloud_init import CloudInit
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.clone import Medium, Twin, cloned
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.definition import Disk
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.document import parse
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.drive import Drive, with_drive
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.sockets import free_place, free_target
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    FieldError,
    InvalidSpec,
    NameTaken,
    NotEnoughSpace,
    Unsupported,
    WrongState,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.identity import Record
from ansible_collections.hostler.libvirt.plugins.module_utils.machine import ObservedMachine
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.clone_steps import CloneDisk, DefineClone
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.clone_wish import CloneSource, CloneWish, SourceDisk
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.create import FILE_POOLS, spec_as_data
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.machine_steps import WriteRecord
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.power_steps import StartDomain
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Plan, Step
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.surroundings import PoolFacts
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.volume_steps import WriteSeed
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.volumes import DISK_FORMAT, volume_name
from ansible_collections.hostler.libvirt.plugins.module_utils.seed import SeedContent, seed_content
from ansible_collections.hostler.libvirt.plugins.module_utils.spec import disk_gib

# what a clone's cloud-init does beside what it is told: a machine has one machine-id, by which journald names its
# files and systemd-networkd itself to DHCP servers, which would give two clones the same address
NEW_MACHINE_ID = """#cloud-config
bootcmd:
  - - cloud-init-per
    - instance
    - hostler-machine-id
    - sh
    - -c
    - >-
      command -v systemd-machine-id-setup >/dev/null || exit 0;
      rm -f /etc/machine-id /var/lib/dbus/machine-id && systemd-machine-id-setup &&
      systemctl --no-block try-restart systemd-journald.service systemd-networkd.service
"""


def plan_clone(source: CloneSource, wish: CloneWish, record: Record) -> Plan:
    """The steps that make the clone, with ``record.uuid`` as its UUID, and start it if it is to run.

    Raises `WrongState`, `Unsupported`, `InvalidSpec`, `NameTaken` or `NotEnoughSpace` for what can't be.
    """
    _require_clonable(source, wish)
    disks = [_disk(source, wish, record.uuid, index, disk) for index, disk in enumerate(own_disks(source.observed))]
    _require_room(source, disks)
    definition, seed = _definition(source, wish, record, disks)
    steps: List[Step] = [Step(f"Define VM '{wish.name}'", DefineClone(wish.name, record.uuid, definition))]
    steps += [Step(_title(source, disk), disk) for disk in disks]
    if seed is not None:
        steps.append(Step("Write the cloud-init seed", seed))
    if wish.state == "running":
        steps.append(Step(f"Start VM '{wish.name}'", StartDomain(record.uuid)))
    steps.append(Step("Complete the VM's record", WriteRecord(record.uuid, record)))
    return Plan(tuple(steps), {}, _after(source, wish, record, disks))


def own_disks(observed: ObservedMachine) -> List[Disk]:
    """Those of a VM's disks of which a clone gets its own: what it writes to, and no other VM does."""
    return [
        disk
        for disk in observed.definition.disks
        if disk.device != "cdrom" and not disk.read_only and not disk.shareable and not _is_empty(disk)
    ]


def disk_name(name: str, uuid: str, index: int, kind: str) -> str:
    """What the volume of a clone's disk is called."""
    what = "root" if index == 0 else f"disk{index}"
    return volume_name(name, uuid, f"{what}.{kind}")


def _is_empty(disk: Disk) -> bool:
    return disk.device == "floppy" and disk.path is None and disk.volume is None


def _require_clonable(source: CloneSource, wish: CloneWish) -> None:
    observed, snapshot = source.observed, source.snapshot
    name = observed.name
    if observed.record is not None and observed.record.incomplete:
        raise WrongState(f"VM '{name}' is being created, or its creation was cut off", "source")
    if not observed.is_persistent:
        raise WrongState(f"VM '{name}' is transient: it has no definition that a clone could have", "source")
    if snapshot is None:
        if wish.mode == "linked" and not (observed.record is not None and observed.record.template):
            reason = "a template or an external snapshot: nobody may ever write to what a clone is built upon"
            raise InvalidSpec([FieldError("mode", f"linked goes with {reason}")])
        if observed.status == "saved":
            raise WrongState(f"VM '{name}' is saved: start it, then stop it, before it is cloned", "source")
        if not observed.is_off:
            raise WrongState(
                f"VM '{name}' must be stopped before it is cloned, or an external snapshot named", "source"
            )
    elif not snapshot.is_external:
        reason = "is inside the disks: only one beside them (external) can be cloned"
        raise Unsupported(f"Snapshot '{snapshot.name}' of VM '{name}' {reason}", "snapshot")
    if any(module.find("source/path") is not None for module in parse(source.xml).findall("devices/memory")):
        raise Unsupported(
            f"VM '{name}' has memory in a file (NVDIMM), of which a clone would write to the same", "source"
        )
    cards = len(observed.definition.interfaces)
    if len(wish.mac_addresses) > cards:
        raise InvalidSpec([FieldError("mac_addresses", f"are more than VM '{name}' has cards, {cards}")])
    own = {(card.mac_address or "").lower() for card in observed.definition.interfaces}
    for index, address in enumerate(wish.mac_addresses):
        if address.lower() in own:
            raise InvalidSpec([FieldError(f"mac_addresses.{index}", f"is that of a card of VM '{name}'")])


def _disk(source: CloneSource, wish: CloneWish, uuid: str, index: int, disk: Disk) -> CloneDisk:
    name = source.observed.name
    if source.snapshot is not None and disk.target not in {one.target for one in source.snapshot.frozen_disks}:
        raise WrongState(f"Disk {disk.target} of VM '{name}' is not in snapshot '{source.snapshot.name}'", "snapshot")
    found = None if disk.device == "lun" else source.disks.get(disk.target)
    if found is None:
        raise Unsupported(f"Disk {disk.target} of VM '{name}' is in no storage pool of this host", "source")
    if found.written_by is not None:
        raise WrongState(f"Disk {disk.target} of VM '{name}' can't be cloned: {found.written_by}", "source")
    pool = source.pool or found.pool
    linked = wish.mode == "linked"
    kind = DISK_FORMAT if linked or found.format != "raw" else "raw"
    if pool.type not in FILE_POOLS:
        reason = f"'{pool.name}' is of type {pool.type}; a clone's disks need a pool of files"
        raise InvalidSpec([FieldError("pool", reason)])
    volume = disk_name(wish.name, uuid, index, kind)
    if f"{pool.name}/{volume}" in source.taken_volumes:
        raise NameTaken(f"Storage pool '{pool.name}' already has a volume '{volume}', which this VM did not make")
    snapshot = "" if source.snapshot is None else source.snapshot.name
    return CloneDisk(
        pool.name,
        volume,
        kind,
        found.capacity,
        found.path,
        linked,
        source.observed.uuid,
        disk.target,
        snapshot,
        found.modified,
    )


def _require_room(source: CloneSource, disks: List[CloneDisk]) -> None:
    """Raise `NotEnoughSpace` for copies that can never be; an overlay takes space only as it is written to."""
    needed: Dict[str, int] = {}
    for disk in disks:
        pool, found = _pool_and_source(source, disk)
        if not disk.linked:
            needed[pool.name] = needed.get(pool.name, 0) + found.allocation
            if needed[pool.name] > pool.available:
                raise NotEnoughSpace(
                    f"Storage pool '{pool.name}' has {disk_gib(pool.available):g} GiB free, less than the"
                    f" {disk_gib(needed[pool.name]):g} GiB that copies of the VM's disks take",
                    "pool",
                )


def _pool_and_source(source: CloneSource, disk: CloneDisk) -> Tuple[PoolFacts, SourceDisk]:
    found = next(one for one in source.disks.values() if one.path == disk.path)
    return source.pool or found.pool, found


def _definition(
    source: CloneSource, wish: CloneWish, record: Record, disks: List[CloneDisk]
) -> Tuple[str, Optional[WriteSeed]]:
    """The clone's XML, and its seed if it has one: where one is wished for, and where its source has one of ours."""
    media: Dict[str, Medium] = {}
    for own, disk in zip(own_disks(source.observed), disks):
        folder = _pool_and_source(source, disk)[0].path
        media[own.target] = Medium(posixpath.join(folder, disk.name), disk.format)
    drive = _seed_drive(source)
    seed: Optional[WriteSeed] = None
    xml = source.xml
    if wish.cloud_init is not None or drive is not None:
        content = _seed_content(wish, record)
        pool = _seed_pool(source, disks)
        seed = WriteSeed(pool.name, volume_name(wish.name, record.uuid, f"seed-{content.digest}.iso"), content)
        medium = Medium(posixpath.join(pool.path, seed.name), "raw")
        if drive is None:
            xml, drive = _with_seed_drive(xml, medium)
        media[drive] = medium
    incomplete = dataclasses.replace(record, incomplete=True)
    return cloned(xml, Twin(wish.name, record.uuid, incomplete, media, wish.mac_addresses)), seed


def _seed_content(wish: CloneWish, record: Record) -> SeedContent:
    return seed_content(wish.cloud_init or CloudInit(), record.uuid, wish.name, vendor_data=NEW_MACHINE_ID)


def _seed_drive(source: CloneSource) -> Optional[str]:
    """The target of the drive that has the seed that we made for the source."""
    if source.observed.record is None:
        return None
    ours = volume_name("", source.observed.uuid, "seed-")
    drives = (disk for disk in source.observed.definition.disks if disk.device == "cdrom")
    return next((disk.target for disk in drives if ours in posixpath.basename(disk.path or "")), None)


def _seed_pool(source: CloneSource, disks: List[CloneDisk]) -> PoolFacts:
    if source.pool is not None:
        return source.pool
    if not disks:
        raise InvalidSpec([FieldError("pool", "is required for the seed of a VM that has no disk of its own")])
    return _pool_and_source(source, disks[0])[0]


def _with_seed_drive(xml: str, medium: Medium) -> Tuple[str, str]:
    place = free_place([xml], "scsi")  # kernels for clouds have no AHCI, and would never see a SATA drive
    if place is None:
        raise Unsupported("The VM has no place for the drive of a seed", "cloud_init")
    drive = Drive(
        "cdrom",
        free_target([xml], "scsi"),
        bus="scsi",
        path=medium.path,
        format=medium.format,
        read_only=True,
        place=(place.controller, place.unit),
    )
    return with_drive(xml, drive, controller=place.controller if place.is_new else None), drive.target


def _title(source: CloneSource, disk: CloneDisk) -> str:
    pool = _pool_and_source(source, disk)[0].name
    what = "Build a disk upon" if disk.linked else "Copy"
    return f"{what} {posixpath.basename(disk.path)} ({disk_gib(disk.capacity):g} GiB) in pool '{pool}'"


def _after(source: CloneSource, wish: CloneWish, record: Record, disks: List[CloneDisk]) -> Dict[str, Any]:
    """What the diff shows; nothing of it is made up anew with each plan."""
    after = {name: value for name, value in spec_as_data(wish).items() if name not in ("pool", "record_id")}
    targets = [disk.target for disk in own_disks(source.observed)]
    return {
        **after,
        "source": source.observed.name,
        "disks": [
            {"target": target, "size_gb": disk_gib(disk.capacity), "pool": disk.pool}
            for target, disk in zip(targets, disks)
        ],
        "description": record.description,
        "tags": list(record.tags),
        "state": "running" if wish.state == "running" else "stopped",
    }
