# SPDX-License-Identifier: GPL-3.0-or-later
"""What keeps a VM from being moved, before anything is touched: what it is, and what the other host is not."""

from __future__ import annotations

from typing import Iterator

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    FieldError,
    InvalidSpec,
    NameTaken,
    NetworkNotFound,
    Unsupported,
    WrongState,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.migration_facts import (
    MigrationSurroundings,
    Sighting,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.migration_wish import MigrationWish

_MOVABLE = ("running", "paused", "stopped", "crashed")


def require_movable(around: MigrationSurroundings, here: Sighting, wish: MigrationWish) -> None:
    """Raise `WrongState` or `Unsupported` for a VM that can't be moved as it is."""
    observed = here.observed
    name = observed.name
    if observed.record is not None and observed.record.incomplete:
        raise WrongState(f"VM '{name}' is being created, or its creation was cut off")
    if here.migrating:
        raise WrongState(f"VM '{name}' is being migrated, or something else is done with it that takes its time")
    if not observed.is_persistent:
        raise WrongState("VM is transient: it would have no definition at its destination")
    if observed.status == "saved":
        raise WrongState("VM is saved: its memory would stay here; start it before it is migrated")
    if observed.status not in _MOVABLE or (observed.status == "crashed" and observed.is_active):
        raise WrongState(f"VM is {observed.status}: it can't be migrated")
    if here.snapshots:
        raise WrongState(f"VM '{name}' has {here.snapshots} snapshots, which libvirt can't move: remove them first")
    if here.checkpoints:
        raise WrongState(f"VM '{name}' has {here.checkpoints} checkpoints, which libvirt can't move: remove them first")
    for device in around.needs.host_devices:
        if observed.is_active or not wish.unsafe:
            raise Unsupported(f"VM '{name}' has a {device}, which can't go along: detach it first")
    if not observed.is_active:
        _require_nothing_beside_disks(around, observed.name, observed.definition.firmware)


def _require_nothing_beside_disks(around: MigrationSurroundings, name: str, firmware: str) -> None:
    """What libvirt keeps of a VM beside its disks goes along with a VM that runs only (measured with libvirt 9.0)."""
    kept = [words for words, has in (("UEFI variables", firmware == "uefi"), ("a TPM", around.needs.tpm)) if has]
    if kept:
        raise Unsupported(
            f"VM '{name}' has {' and '.join(kept)}, whose content goes along only while the VM runs or is paused: start"
            " it, paused if it shall do nothing, and migrate it then"
        )


def require_host(around: MigrationSurroundings, here: Sighting, wish: MigrationWish) -> None:
    """Raise for what the VM would not have at its destination, disks left out."""
    observed, other, there = here.observed, around.other, around.destination.name
    if other.namesake is not None:
        raise NameTaken(
            f"{there} has another VM named '{observed.name}', with UUID {other.namesake}", "destination_uri"
        )
    for address, user in other.taken_addresses.items():
        raise NameTaken(f"MAC address {address} of the VM is that of VM '{user}' on {there}", "destination_uri")
    for reason in _refusals(around, here, wish):
        raise Unsupported(f"{there} can't run VM '{observed.name}': {reason}", "destination_uri")
    for what in other.missing_networks.values():
        raise NetworkNotFound(f"{there} has no {what}, which a card of the VM is connected to", "destination_uri")


def _refusals(around: MigrationSurroundings, here: Sighting, wish: MigrationWish) -> Iterator[str]:
    observed, other, needs = here.observed, around.other, around.needs
    definition = observed.running or observed.definition
    if other.virt_types and definition.type not in other.virt_types:
        yield f"it offers no domain type '{definition.type}'"
    if other.refusal is not None:
        yield other.refusal
    abilities = other.abilities
    most = definition.max_vcpus or definition.vcpus
    if abilities.max_vcpus is not None and most > abilities.max_vcpus:
        yield f"a guest there can have at most {abilities.max_vcpus} virtual CPUs"
    if definition.memory_kib // 1024 > other.memory_mb > 0:
        yield f"the VM has {definition.memory_kib // 1024} MiB of memory, and that host {other.memory_mb}"
    if definition.firmware == "uefi" and not abilities.uefi:
        yield "it has no UEFI firmware for guests"
    if definition.secure_boot and not abilities.secure_boot:
        yield "it has no UEFI firmware with Secure Boot"
    if needs.loader is not None and other.loaders and needs.loader not in other.loaders:
        yield f"it does not offer the firmware {needs.loader}"
    if needs.tpm and not abilities.tpm:
        yield "it can't emulate a TPM"
    if not other.cpu_fits:
        yield "its CPU can't do all that the VM's does"
    for path in needs.files:
        if path not in other.files and not wish.unsafe:
            yield f"{path}, from which the VM boots, is in none of its storage pools; with unsafe you say it is there"


def require_another_host(around: MigrationSurroundings) -> None:
    """Raise `InvalidSpec` where both URIs lead to one host."""
    if around.source.uuid == around.destination.uuid:
        raise InvalidSpec(
            [
                FieldError(
                    "destination_uri", f"leads to {around.destination.name}, the host where the VM is to leave from"
                )
            ]
        )
