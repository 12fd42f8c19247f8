# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of a new VM.

The domain is defined first, marked incomplete in its record, and names the disks that are made next. A create that is
killed at any moment thus leaves nothing that the host itself can't account for: an incomplete domain and, at most, the
volumes that it names. The mark goes away in the last step.
"""

from __future__ import annotations

import dataclasses
import math
import posixpath
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence

from ansible_collections.hostler.libvirt.plugins.module_utils.abilities import NO_SPICE, Abilities
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    FieldError,
    InvalidSpec,
    NameTaken,
    NotEnoughSpace,
    Unsupported,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.fields import facts_in
from ansible_collections.hostler.libvirt.plugins.module_utils.identity import Record
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.design import MOST_VCPUS, design
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.machine_steps import (
    DefineDomain,
    SetAutostart,
    WriteRecord,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.power_steps import StartDomain
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Plan, Step
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.surroundings import ImageFacts, Surroundings
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.volume_steps import CreateVolume, WriteSeed
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.volumes import (
    DISK_FORMAT,
    NewDisk,
    new_disks,
    volume_name,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.seed import seed_content
from ansible_collections.hostler.libvirt.plugins.module_utils.spec import MachineSpec, disk_gib

FILE_POOLS = ("dir", "fs", "netfs")  # whose volumes are files, which can be qcow2


def plan_create(
    spec: MachineSpec, surroundings: Surroundings, record: Record, start: bool = False, paused: bool = False
) -> Plan:
    """The steps that make ``spec`` a VM, with ``record.uuid`` as its UUID, and start it, ``paused`` if it shall wait.

    Raises `NameTaken`, `NotEnoughSpace`, `Unsupported` or `InvalidSpec` for what this host can't give.
    """
    uuid = record.uuid
    disks = new_disks(spec, uuid)
    _check(spec, surroundings, disks)
    folder = surroundings.pool.path
    seed = None
    seed_name = None
    if spec.cloud_init is not None:
        seed = seed_content(spec.cloud_init, uuid, spec.name)
        seed_name = volume_name(spec.name, uuid, f"seed-{seed.digest}.iso")
    definition = design(
        spec,
        surroundings,
        uuid,
        dataclasses.replace(record, incomplete=True),
        disk_paths=[posixpath.join(folder, disk.volume) for disk in disks],
        seed_path=None if seed_name is None else posixpath.join(folder, seed_name),
    )
    steps: List[Step] = [Step(f"Define VM '{spec.name}'", DefineDomain(definition))]
    steps += [Step(volume_title(disk, surroundings), volume_step(disk, surroundings)) for disk in disks]
    if seed is not None and seed_name is not None:
        steps.append(Step("Write the cloud-init seed", WriteSeed(surroundings.pool.name, seed_name, seed)))
    if spec.autostart:
        steps.append(Step("Start the VM with its host", SetAutostart(uuid, True)))
    if start:
        title = f"Start VM '{spec.name}', paused" if paused else f"Start VM '{spec.name}'"
        steps.append(Step(title, StartDomain(uuid, paused)))
    steps.append(Step("Complete the VM's record", WriteRecord(uuid, record)))
    state = "stopped" if not start else "paused" if paused else "running"
    return Plan(tuple(steps), before={}, after={**spec_as_data(spec), "state": state})


def spec_as_data(spec: Any) -> Dict[str, Any]:
    """``spec`` as plain data for a diff: what is left out is left out, and no secret is shown."""
    data: Dict[str, Any] = {}
    for one in dataclasses.fields(spec):
        value = getattr(spec, one.name)
        known = facts_in(one)
        if value is None or value is False or value == ():
            continue
        data[one.name] = "(not shown)" if known is not None and known.secret else _plain(value)
    return data


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return spec_as_data(value)
    if isinstance(value, Mapping):
        return {name: item for name, item in value.items() if item}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def _check(spec: MachineSpec, surroundings: Surroundings, disks: Sequence[NewDisk]) -> None:
    if spec.name in surroundings.taken_names:
        raise NameTaken(f"A VM named '{spec.name}' already exists on this host", "name")
    pool = surroundings.pool
    if pool.type not in FILE_POOLS:
        raise InvalidSpec([FieldError("pool", f"'{pool.name}' is of type {pool.type}; disks need a pool of files")])
    for name in surroundings.taken_volumes:
        raise NameTaken(f"Storage pool '{pool.name}' already has a volume '{name}', which this VM did not make")
    _check_abilities(spec, surroundings.abilities)
    too_small = [error for disk in disks for error in size_errors(disk, surroundings)]
    if too_small:
        raise InvalidSpec(too_small)
    check_space(disks, surroundings)


def _check_abilities(spec: MachineSpec, abilities: Abilities) -> None:
    most = min(MOST_VCPUS, abilities.max_vcpus or MOST_VCPUS)
    for name, count in (("cpu_cores", spec.cpu_cores), ("max_cpu_cores", spec.max_cpu_cores)):
        if count is not None and count > most:
            raise Unsupported(f"A guest on this host can have at most {most} virtual CPUs", name)
    if spec.firmware == "uefi" and not abilities.uefi:
        raise Unsupported("This host has no UEFI firmware for guests", "firmware")
    if spec.secure_boot and not abilities.secure_boot:
        raise Unsupported("This host has no UEFI firmware with Secure Boot", "secure_boot")
    if spec.tpm and not abilities.tpm:
        raise Unsupported("This host can't emulate a TPM", "tpm")
    if spec.graphics is not None and spec.graphics.type == "spice" and not abilities.spice:
        raise Unsupported(NO_SPICE, "graphics.type")


def size_errors(disk: NewDisk, surroundings: Surroundings) -> Iterator[FieldError]:
    """What is wrong with the size of a disk that is made of an image."""
    image = _image(disk, surroundings)
    if image is not None and disk.size < image.capacity:
        at_least = math.ceil(image.capacity / 1024**3 * 1000) / 1000
        yield FieldError(disk.size_field, f"is smaller than image '{image.name}', which needs {at_least:g} GiB")


def check_space(disks: Sequence[NewDisk], surroundings: Surroundings) -> None:
    """Raise `NotEnoughSpace` for disks that can never be.

    A disk takes space as it is written to, so they may promise more than there is.
    """
    pool = surroundings.pool
    copied = 0
    for disk in disks:
        if disk.size > pool.capacity:
            raise NotEnoughSpace(
                f"Storage pool '{pool.name}' holds {disk_gib(pool.capacity):g} GiB in all, less than the"
                f" {disk_gib(disk.size):g} GiB of the disk",
                disk.size_field,
            )
        image = _image(disk, surroundings)
        if image is not None and disk.config.image_mode == "copy":
            copied += image.allocation
            if copied > pool.available:
                raise NotEnoughSpace(
                    f"Storage pool '{pool.name}' has {disk_gib(pool.available):g} GiB free, less than the"
                    f" {disk_gib(copied):g} GiB that copies of the VM's images take",
                    disk.image_field,
                )


def _image(disk: NewDisk, surroundings: Surroundings) -> Optional[ImageFacts]:
    return None if disk.config.image is None else surroundings.images[disk.config.image]


def volume_step(disk: NewDisk, surroundings: Surroundings) -> CreateVolume:
    """How the disk is made."""
    image = _image(disk, surroundings)
    return CreateVolume(
        pool=surroundings.pool.name,
        name=disk.volume,
        capacity=disk.size,
        format=DISK_FORMAT,
        image_pool=None if image is None else surroundings.image_pool,
        image=None if image is None else image.name,
        image_mode=disk.config.image_mode,
        image_field=disk.image_field,
    )


def volume_title(disk: NewDisk, surroundings: Surroundings) -> str:
    """The same in words."""
    title = f"Create a disk of {disk_gib(disk.size):g} GiB in pool '{surroundings.pool.name}'"
    return title if disk.config.image is None else f"{title} from image '{disk.config.image}'"
