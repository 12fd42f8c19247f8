# SPDX-License-Identifier: GPL-3.0-or-later
"""Making a VM, all or nothing."""

from __future__ import annotations

from typing import Callable, Dict, FrozenSet, Sequence

from ansible_collections.hostler.libvirt.plugins.module_utils.abilities import abilities_of
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.creation_doers import DOERS
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.image import image_facts
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.networks import nat_network_of, require_networks
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.observe import observe
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.perform import StepReport, perform
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.pool_facts import pool_facts
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostUnreachable, Superseded, Unsupported
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.accelerator import choose_virt_type
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.pool import Pool
from ansible_collections.hostler.libvirt.plugins.module_utils.identity import Record
from ansible_collections.hostler.libvirt.plugins.module_utils.machine import ObservedMachine
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.create import plan_create
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.design import machine_of
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.machine_steps import DefineDomain
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Plan
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.surroundings import (
    ImageFacts,
    Placement,
    Surroundings,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.volumes import new_disks
from ansible_collections.hostler.libvirt.plugins.module_utils.spec import MachineSpec, cards_of


def plan_for(
    hypervisor: Hypervisor,
    spec: MachineSpec,
    placement: Placement,
    record: Record,
    start: bool = False,
    paused: bool = False,
) -> Plan:
    """Look at the host and plan the VM there; ``start`` and ``paused`` are `plan_create`'s.

    Raises what `plan_create` does, `PoolNotFound`, `ImageNotFound`, and `InvalidSpec` for a network that is not there.
    """
    if spec.firmware == "uefi":
        from ansible_collections.hostler.libvirt.plugins.module_utils.actions.variables import require_free_variables

        require_free_variables(hypervisor, spec.name)
    return plan_create(spec, surroundings_of(hypervisor, spec, placement, record.uuid), record, start, paused)


def create(
    hypervisor: Hypervisor,
    plan: Plan,
    on_step: Callable[[StepReport], None] = lambda _report: None,
    fence: Callable[[], None] = lambda: None,
) -> ObservedMachine:
    """Carry out a plan of `plan_for`. What a failed create made is gone afterwards, or the error says what remains."""
    definition = next(step.operation.definition for step in plan.steps if isinstance(step.operation, DefineDomain))
    try:
        perform(hypervisor, plan, on_step, fence, doers=DOERS)
    except (Superseded, HostUnreachable):
        raise  # whoever has the VM now undoes it; a host that is gone is looked at when it is back
    except Exception as error:
        # here and for the variables, as few need it: each task of a module compiles anew what it imports
        from ansible_collections.hostler.libvirt.plugins.module_utils.actions.unfinished import take_away

        take_away(hypervisor, definition.uuid, error)
        raise
    return observe(hypervisor, hypervisor.domain(definition.uuid))


def surroundings_of(hypervisor: Hypervisor, spec: MachineSpec, placement: Placement, uuid: str) -> Surroundings:
    """What of the host matters to that VM."""
    pool = hypervisor.pool(placement.pool).require_active()
    disks = new_disks(spec, uuid)
    images: Dict[str, ImageFacts] = {}
    for disk in disks:
        if disk.config.image is not None and disk.config.image not in images:
            images[disk.config.image] = image_facts(
                hypervisor, placement.image_pool, disk.config.image, disk.image_field
            )
    require_networks(hypervisor, cards_of(spec), placement)
    machines = hypervisor.machine_types()
    if spec.machine is not None and machines and spec.machine not in machines:
        raise Unsupported(f"This host's QEMU has no machine type '{spec.machine}'", "machine")
    virt_type = choose_virt_type(hypervisor, placement.virt_type)  # a late question: it may take ten seconds
    return Surroundings(
        virt_type=virt_type,
        pool=pool_facts(pool),
        image_pool=placement.image_pool,
        images=images,
        nat_network=nat_network_of(hypervisor, placement),
        taken_names=frozenset(domain.name for domain in hypervisor.domains() if domain.uuid != uuid),
        taken_volumes=_taken_volumes(hypervisor, pool, [disk.volume for disk in disks], uuid),
        abilities=abilities_of(hypervisor.domain_capabilities(virt_type, machine_of(spec))),
    )


def _taken_volumes(hypervisor: Hypervisor, pool: Pool, names: Sequence[str], uuid: str) -> FrozenSet[str]:
    """Of ``names`` those that the pool has and that are not what a create of this VM that was cut off has left."""
    if hypervisor.find_domain(uuid) is not None:
        return frozenset()
    return frozenset(name for name in names if pool.find_volume(name) is not None)
