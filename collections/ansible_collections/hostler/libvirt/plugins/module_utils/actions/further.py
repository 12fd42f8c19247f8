# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking at a VM that is there, and at its host, for the sake of lists of its further disks and cards."""

from __future__ import annotations

from typing import Dict, List, Optional, Tuple

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.chassis import look
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.networks import require_networks
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.new_disk import new_source
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.sources import path_in_pool
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.drive import Drive
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import fields_within
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.machine import ObservedMachine
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.chassis import Chassis
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.device_steps import (
    ChangeNic,
    DefineNic,
    PlugNic,
    SetNic,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.disk import Source
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.further import Further, Stock, paired_disks
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Plan
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.surroundings import Placement
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.wanted_disk import WantedDisk
from ansible_collections.hostler.libvirt.plugins.module_utils.storage import holding_snapshots, owned_among

_CONNECTING = (PlugNic, DefineNic, ChangeNic, SetNic)


def take_stock(hypervisor: Hypervisor, observed: ObservedMachine, further: Further, placement: Placement) -> Stock:
    """What the plan of ``further`` has to know. Raises what new disks can't be made of."""
    chassis = look(hypervisor, hypervisor.domain(observed.uuid))
    if further.disks is None:
        return Stock(chassis)
    meant, beyond = paired_disks(further, chassis)
    sources: Dict[int, Source] = {}
    images: Dict[int, str] = {}
    chains: Dict[str, Tuple[str, ...]] = {}
    sizes = {disk.target: disk.size for disk in observed.disks}
    for index, (config, drive) in enumerate(zip(further.disks, meant)):
        if drive is None:
            wanted = WantedDisk(
                pool=placement.pool,
                image=config.image,
                image_mode=config.image_mode,
                image_pool=placement.image_pool,
            )
            others = list(sources.values())
            sources[index] = new_source(hypervisor, wanted, config.size_gb, chassis, others, f"disks.{index}.")
            continue
        if sizes.get(drive.target) is None:  # libvirt asks the running VM, which may not have it yet
            sizes[drive.target] = _capacity(hypervisor, drive)
        if config.image is not None and config.image_mode == "backing":
            with fields_within(f"disks.{index}"):
                images[index] = path_in_pool(hypervisor, placement.image_pool, config.image)
            chains[drive.target] = _chain(hypervisor, drive)
    owned: Dict[str, List[str]] = {}
    held: Dict[str, str] = {}
    if further.disks_exclusive:
        held = holding_snapshots(hypervisor, chassis.uuid)
        if further.delete_disks:
            owned = {drive.target: _owned(hypervisor, drive, chassis) for drive in beyond}
    return Stock(chassis, sources, sizes, images, chains, owned, held)


def require_further(hypervisor: Hypervisor, plan: Plan, further: Further, placement: Placement) -> None:
    """Raise `InvalidSpec` if ``plan`` connects further cards to what their host has not."""
    if any(isinstance(step.operation, _CONNECTING) for step in plan.steps):
        require_networks(hypervisor, [(f"nics.{i}", card) for i, card in enumerate(further.nics or ())], placement)


def _capacity(hypervisor: Hypervisor, drive: Drive) -> Optional[int]:
    volume = None if drive.path is None else hypervisor.find_volume_at(drive.path)
    return None if volume is None else volume.facts().capacity


def _chain(hypervisor: Hypervisor, drive: Drive) -> Tuple[str, ...]:
    """What the disk's file is built on, as far as the host's pools know it."""
    found: List[str] = []
    path = drive.path
    while path is not None:
        volume = hypervisor.find_volume_at(path)
        path = None if volume is None else volume.facts().backing_path
        if path is None or path in found:
            break
        found.append(path)
    return tuple(found)


def _owned(hypervisor: Hypervisor, drive: Drive, chassis: Chassis) -> List[str]:
    """The VM's own files of it: as it is defined, and as it runs."""
    sides = [one for one in (*chassis.running_drives, drive) if one.target == drive.target]
    return owned_among(hypervisor, sides, chassis.uuid, chassis.record)
