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
from typing import Any, Dict, List

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    FieldError,
    InvalidSpec,
    NameTaken,
    NotEnoughSpace,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.identity import Record
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.design import design
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import (
    CreateVolume,
    DefineDomain,
    Plan,
    SetAutostart,
    StartDomain,
    Step,
    WriteRecord,
    WriteSeed,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.surroundings import Surroundings
from ansible_collections.hostler.libvirt.plugins.module_utils.seed import seed_content
from ansible_collections.hostler.libvirt.plugins.module_utils.spec import MachineSpec, disk_bytes, disk_gib

ROOT_FORMAT = "qcow2"
ROOT = f"root.{ROOT_FORMAT}"
_POOL_TYPES = ("dir", "fs", "netfs")  # whose volumes are files, which can be qcow2


def plan_create(spec: MachineSpec, surroundings: Surroundings, record: Record, start: bool = False) -> Plan:
    """The steps that make ``spec`` a VM, with ``record.uuid`` as its UUID.

    Raises `NameTaken`, `NotEnoughSpace`, or `InvalidSpec` for what this host can't give.
    """
    _check(spec, surroundings)
    uuid = record.uuid
    root = volume_name(spec.name, uuid, ROOT)
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
        root_path=posixpath.join(surroundings.pool.path, root),
        seed_path=None if seed_name is None else posixpath.join(surroundings.pool.path, seed_name),
    )
    steps: List[Step] = [
        Step(f"Define VM '{spec.name}'", DefineDomain(definition)),
        Step(_volume_title(spec, surroundings), _volume(spec, surroundings, root)),
    ]
    if seed is not None and seed_name is not None:
        steps.append(Step("Write the cloud-init seed", WriteSeed(surroundings.pool.name, seed_name, seed)))
    if spec.autostart:
        steps.append(Step("Start the VM with its host", SetAutostart(uuid, True)))
    if start:
        steps.append(Step(f"Start VM '{spec.name}'", StartDomain(uuid)))
    steps.append(Step("Complete the VM's record", WriteRecord(uuid, record)))
    return Plan(tuple(steps), before={}, after={**spec_as_data(spec), "state": "running" if start else "stopped"})


def volume_name(name: str, uuid: str, what: str) -> str:
    """The name of a VM's own volume. No other VM's is the same but one of its name and nearly its UUID."""
    return f"{name}-{uuid[:8]}-{what}"


def spec_as_data(spec: MachineSpec) -> Dict[str, Any]:
    """``spec`` as plain data for a diff: what is left out is left out, user data is not shown."""
    data: Dict[str, Any] = _plain(dataclasses.asdict(spec))
    if "user_data" in data.get("cloud_init", {}):
        data["cloud_init"]["user_data"] = "(not shown)"
    return data


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if item not in (None, (), False)}
    return list(value) if isinstance(value, tuple) else value


def _check(spec: MachineSpec, surroundings: Surroundings) -> None:
    if spec.name in surroundings.taken_names:
        raise NameTaken(f"A VM named '{spec.name}' already exists on this host", "name")
    pool = surroundings.pool
    if pool.type not in _POOL_TYPES:
        raise InvalidSpec([FieldError("pool", f"'{pool.name}' is of type {pool.type}; disks need a pool of files")])
    for name in surroundings.taken_volumes:
        raise NameTaken(f"Storage pool '{pool.name}' already has a volume '{name}', which this VM did not make")
    size = disk_bytes(spec.disk_gb)
    image = surroundings.image
    if image is not None and size < image.capacity:
        at_least = math.ceil(image.capacity / 1024**3 * 1000) / 1000
        raise InvalidSpec(
            [FieldError("disk_gb", f"is smaller than image '{image.name}', which needs {at_least:g} GiB")]
        )
    if size > pool.available:
        raise NotEnoughSpace(
            f"Storage pool '{pool.name}' has {disk_gib(pool.available):g} GiB free, less than the"
            f" {disk_gib(size):g} GiB of the disk",
            "disk_gb",
        )


def _volume(spec: MachineSpec, surroundings: Surroundings, name: str) -> CreateVolume:
    return CreateVolume(
        pool=surroundings.pool.name,
        name=name,
        capacity=disk_bytes(spec.disk_gb),
        format=ROOT_FORMAT,
        image_pool=None if surroundings.image is None else surroundings.image_pool,
        image=None if surroundings.image is None else surroundings.image.name,
        image_mode=spec.image_mode,
    )


def _volume_title(spec: MachineSpec, surroundings: Surroundings) -> str:
    title = f"Create a disk of {disk_gib(disk_bytes(spec.disk_gb)):g} GiB in pool '{surroundings.pool.name}'"
    if surroundings.image is None:
        return title
    return f"{title} from image '{surroundings.image.name}'"
