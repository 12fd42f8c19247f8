# SPDX-License-Identifier: GPL-3.0-or-later
"""Making a VM, all or nothing."""

from __future__ import annotations

from typing import Callable, FrozenSet, Optional

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.delete import delete
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.domains import is_unfinished
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.observe import observe
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.perform import StepReport, perform
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    FieldError,
    HostlerError,
    HostUnreachable,
    ImageNotFound,
    InvalidSpec,
    OperationFailed,
    Superseded,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.accelerator import choose_virt_type
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.pool import Pool
from ansible_collections.hostler.libvirt.plugins.module_utils.identity import Record
from ansible_collections.hostler.libvirt.plugins.module_utils.machine import ObservedMachine
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.create import ROOT, plan_create, volume_name
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import DefineDomain, Plan
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.surroundings import (
    ImageFacts,
    Placement,
    PoolFacts,
    Surroundings,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.spec import MachineSpec


def plan_for(
    hypervisor: Hypervisor, spec: MachineSpec, placement: Placement, record: Record, start: bool = False
) -> Plan:
    """Look at the host and plan the VM there.

    Raises what `plan_create` does, `PoolNotFound`, `ImageNotFound`, and `InvalidSpec` for a network that is not there.
    """
    return plan_create(spec, surroundings_of(hypervisor, spec, placement, record.uuid), record, start)


def create(
    hypervisor: Hypervisor,
    plan: Plan,
    on_step: Callable[[StepReport], None] = lambda _report: None,
    fence: Callable[[], None] = lambda: None,
) -> ObservedMachine:
    """Carry out a plan of `plan_for`. What a failed create made is gone afterwards, or the error says what remains."""
    definition = next(step.operation.definition for step in plan.steps if isinstance(step.operation, DefineDomain))
    try:
        perform(hypervisor, plan, on_step, fence)
    except (Superseded, HostUnreachable):
        raise  # whoever has the VM now undoes it; a host that is gone is looked at when it is back
    except Exception as error:
        _undo(hypervisor, definition.uuid, error)
        raise
    return observe(hypervisor, hypervisor.domain(definition.uuid))


def surroundings_of(hypervisor: Hypervisor, spec: MachineSpec, placement: Placement, uuid: str) -> Surroundings:
    """What of the host matters to that VM."""
    pool = hypervisor.pool(placement.pool).require_active()
    kind, path = pool.type_and_path()
    image = None if spec.image is None else _image(hypervisor, placement.image_pool, spec.image)
    network = _network(hypervisor, spec, placement)
    return Surroundings(
        virt_type=choose_virt_type(hypervisor, placement.virt_type),  # the last question: it may take ten seconds
        is_session=hypervisor.is_session,
        pool=PoolFacts(pool.name, kind, path, pool.available()),
        image_pool=placement.image_pool,
        image=image,
        nat_network=network,
        taken_names=frozenset(domain.name for domain in hypervisor.domains() if domain.uuid != uuid),
        taken_volumes=_taken_volumes(hypervisor, pool, volume_name(spec.name, uuid, ROOT), uuid),
    )


def _taken_volumes(hypervisor: Hypervisor, pool: Pool, name: str, uuid: str) -> FrozenSet[str]:
    """``name``, if the pool has it and it is not what a create of this VM that was cut off has left."""
    if hypervisor.find_domain(uuid) is not None or pool.find_volume(name) is None:
        return frozenset()
    return frozenset({name})


def _image(hypervisor: Hypervisor, pool_name: str, name: str) -> ImageFacts:
    pool = hypervisor.pool(pool_name).require_active()
    volume = pool.find_volume(name)
    if volume is None:
        pool.refresh()  # somebody may have put it there by hand
        volume = pool.find_volume(name)
    if volume is None:
        raise ImageNotFound(f"Image '{name}' not found in storage pool '{pool_name}'", "image")
    facts = volume.facts()
    return ImageFacts(name, facts.path, facts.format or "raw", facts.capacity)


def _network(hypervisor: Hypervisor, spec: MachineSpec, placement: Placement) -> Optional[str]:
    config = spec.network_config
    if config.type == "bridge" and not hypervisor.has_interface(config.bridge_name or ""):
        message = f"bridge '{config.bridge_name}' not found on this host"
        raise InvalidSpec([FieldError("network_config.bridge_name", message)])
    if config.type == "network":
        return _require_network(hypervisor, config.network_name or "", "network_config.network_name")
    if config.type == "nat" and not hypervisor.is_session:
        return _require_network(hypervisor, placement.network, "network_config.type")
    return None


def _require_network(hypervisor: Hypervisor, name: str, field: str) -> str:
    network = hypervisor.find_network(name)
    if network is None:
        raise InvalidSpec([FieldError(field, f"network '{name}' not found on this host")])
    if not network.is_active():
        raise InvalidSpec([FieldError(field, f"network '{name}' is not active on this host")])
    return name


def _undo(hypervisor: Hypervisor, uuid: str, cause: Exception) -> None:
    try:
        domain = hypervisor.find_domain(uuid)
        if domain is not None and is_unfinished(domain):  # else it is somebody else's, and the reason why this failed
            delete(hypervisor, uuid)
    except HostlerError as error:
        raise OperationFailed(f"{cause}; and what was made so far could not be taken away: {error.message}") from cause
