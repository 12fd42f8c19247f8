# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking at a VM that is to be moved, and at the host that it is to be moved to."""

from __future__ import annotations

import time
from typing import Dict, Iterator, Optional, Tuple

from ansible_collections.hostler.libvirt.plugins.module_utils.abilities import abilities_of
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.observe import assembled
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.one_machine import observe_patiently
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.document import parse
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.moving import read_move
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.needs import Needs, read_needs
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.read import read_domain
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    HostlerError,
    HostUnreachable,
    PoolNotFound,
    Unsupported,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor import migration
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.domain import Domain
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.snapshot import Snapshots
from ansible_collections.hostler.libvirt.plugins.module_utils.machine import ObservedMachine
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.migration_facts import HostName, OtherHost, Sighting
from ansible_collections.hostler.libvirt.plugins.module_utils.status import status_of
from ansible_collections.hostler.libvirt.plugins.module_utils.storage import definitions_of

_SETTLE_SECONDS = 10.0


def host_named(hypervisor: Hypervisor) -> HostName:
    """The host; raises `Unsupported` for one that has no UUID, such as the test driver."""
    uuid = hypervisor.host_uuid()
    if hypervisor.is_test_driver or uuid is None:
        raise Unsupported("VMs are migrated between hosts with QEMU only")
    return HostName(migration.host_name(hypervisor), uuid)


def sighted(hypervisor: Hypervisor, domain: Optional[Domain]) -> Optional[Sighting]:
    """The VM as that host has it; raises `GuestTimeout` if its QEMU does not answer."""
    if domain is None:
        return None
    migrating = _is_at_work(domain)
    # who is on the way answers nobody at its destination, and is not asked: it can't be moved now anyhow
    on_the_way = migrating or (not domain.is_persistent() and migration.stands_for_migration(domain))
    observed = _as_defined(domain) if on_the_way else observe_patiently(hypervisor, domain.uuid)
    snapshots = 0 if on_the_way else len(Snapshots(domain).all())
    return Sighting(
        observed=observed,
        migrating=migrating,
        standing=migration.stands_for_migration(domain),
        left=migration.has_left(domain),
        snapshots=snapshots,
        checkpoints=0 if on_the_way else migration.checkpoints_of(domain),
        move=read_move(domain.xml(inactive=observed.is_persistent)),
    )


def _as_defined(domain: Domain) -> ObservedMachine:
    """What can be told of it without asking its QEMU."""
    state, reason = domain.state_and_reason()
    persistent = domain.is_persistent()
    return assembled(
        read_domain(domain.xml(inactive=persistent)),
        read_domain(domain.xml()) if domain.is_active() else None,
        status=status_of(state, reason),
        persistent=persistent,
        autostart=domain.autostart(),
        size_of=lambda _target: None,
        address=None,
    )


def _is_at_work(domain: Domain) -> bool:
    """Whether it is being migrated, and goes on to be: libvirt takes a while to end what was cut off."""
    deadline = time.monotonic() + _SETTLE_SECONDS
    while migration.is_migrating(domain):
        if time.monotonic() >= deadline:
            return True
        time.sleep(0.2)
    return False


def needs_of(domain: Domain) -> Needs:
    """What the VM needs of its host: of one that runs, what it has now."""
    return read_needs(domain.xml(inactive=not domain.is_active()))


def other_host(source: Hypervisor, destination: Hypervisor, observed: ObservedMachine, needs: Needs) -> OtherHost:
    """What the destination has of what the VM needs."""
    definition = observed.running or observed.definition
    guest = migration.Guest(definition.type, definition.architecture, definition.machine, needs.emulator)
    virt_types = frozenset(destination.virt_types())
    capabilities, refusal = None, None
    if definition.type in virt_types:
        try:
            capabilities = migration.capabilities_for(destination, guest)
        except HostUnreachable:
            raise
        except HostlerError as error:
            refusal = error.message.partition(": ")[2] or error.message
    namesake = destination.find_domain_named(observed.name)
    return OtherHost(
        namesake=namesake.uuid if namesake is not None and namesake.uuid != observed.uuid else None,
        virt_types=virt_types,
        refusal=refusal,
        abilities=abilities_of(capabilities),
        loaders=frozenset() if capabilities is None else frozenset(_loaders(capabilities)),
        cpu_fits=refusal is not None or _cpu_fits(source, destination, observed.is_active, guest, needs),
        memory_mb=destination.resources().memory_mb,
        missing_networks=dict(_missing_networks(destination, needs)),
        taken_addresses=_taken_addresses(destination, needs, observed.uuid),
        files=frozenset(path for path in needs.files if destination.find_volume_at(path) is not None),
        pools=dict(_pools(destination, needs)),
        pools_here=dict(_pools(source, needs)),
    )


def _loaders(capabilities: str) -> Iterator[str]:
    return (value.text or "" for value in parse(capabilities).findall("os/loader/value"))


def _cpu_fits(source: Hypervisor, destination: Hypervisor, live: bool, guest: migration.Guest, needs: Needs) -> bool:
    """Whether the guest finds its CPU again. One that is off gets what its host has, unless it names a model."""
    if needs.cpu_mode == "custom" and needs.cpu is not None:
        return migration.gives_cpu(destination, guest, needs.cpu)
    # an emulated one is the emulator's, and goes by its machine type
    if live and guest.virt_type == "kvm" and needs.cpu_mode in ("host-passthrough", "maximum"):
        cpu = migration.host_cpu(source)
        return cpu is None or migration.has_cpu(destination, cpu)
    return True


def _missing_networks(destination: Hypervisor, needs: Needs) -> Iterator[Tuple[str, str]]:
    for name in needs.networks:
        network = destination.find_network(name)
        if network is None or not network.is_active():
            yield f"network {name}", f"network '{name}'" if network is None else f"active network '{name}'"
    for name in needs.interfaces:
        if not destination.has_interface(name):
            yield f"interface {name}", f"bridge or network interface '{name}'"
    for name in needs.filters:
        if not destination.has_filter(name):
            yield f"filter {name}", f"network filter '{name}'"


def _taken_addresses(destination: Hypervisor, needs: Needs, uuid: str) -> Dict[str, str]:
    """MAC addresses of the VM that another VM there has, and which."""
    taken: Dict[str, str] = {}
    for domain in destination.domains():
        if domain.uuid == uuid:
            continue
        for definition in definitions_of(destination, domain):
            for card in definition.interfaces:
                address = (card.mac_address or "").lower()
                if address in needs.mac_addresses:
                    taken[address] = domain.name
    return taken


def _pools(hypervisor: Hypervisor, needs: Needs) -> Iterator[Tuple[str, str]]:
    for name in needs.pools:
        try:
            yield name, hypervisor.pool(name).require_active().type_and_path()[1]
        except PoolNotFound:
            continue
