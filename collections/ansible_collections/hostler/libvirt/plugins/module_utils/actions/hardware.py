# SPDX-License-Identifier: GPL-3.0-or-later
"""The operations on what a VM that is there consists of: sizes, network card, display.

What is written into a definition is read again and compared, and put back if libvirt made something else of it.
"""

from __future__ import annotations

from functools import partial
from typing import Callable, Optional

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.doers import Undo
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml import edit
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.definition import DomainDefinition, Interface
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.read import read_domain
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import OperationFailed, WrongState
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.domain import Domain
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.machine_steps import (
    ConnectCard,
    PlugMemory,
    PlugVcpus,
    ResizeDomain,
    SetVnc,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.sizes import MUST_BE_STOPPED, TRANSIENT

"""Puts back what an operation has changed."""


def resize(hypervisor: Hypervisor, operation: ResizeDomain) -> Optional[Undo]:
    """Write other sizes into its definition."""
    domain = hypervisor.domain(operation.uuid)
    if domain.is_active() and not operation.live:
        raise WrongState(MUST_BE_STOPPED)
    wanted = operation.sizes

    def is_done(now: DomainDefinition) -> bool:
        return wanted.vcpus in (None, now.vcpus) and wanted.memory_kib in (None, now.memory_kib)

    failure = "Failed to resize VM: its definition has a NUMA layout that fixes its sizes"
    return redefine(hypervisor, domain, lambda xml: edit.resized(xml, wanted), _read(is_done), failure)


def plug_vcpus(hypervisor: Hypervisor, operation: PlugVcpus) -> Optional[Undo]:
    """Have the running VM use more of the vCPUs that it may have; one that is off by now starts with them."""
    domain = hypervisor.domain(operation.uuid)
    if not domain.is_active():
        return None
    before = read_domain(domain.xml()).vcpus
    if before >= operation.vcpus:
        return None
    domain.set_live_vcpus(operation.vcpus)
    if read_domain(domain.xml()).vcpus != operation.vcpus:
        raise OperationFailed("Failed to plug vCPUs into the VM: it has as many as before")
    return partial(domain.set_live_vcpus, before)


def plug_memory(hypervisor: Hypervisor, operation: PlugMemory) -> Optional[Undo]:
    """Plug a memory module into the running VM, for what it has less than it is to have; as `plug_vcpus`."""
    domain = hypervisor.domain(operation.uuid)
    if not domain.is_active():
        return None
    missing = operation.memory_kib - read_domain(domain.xml()).memory_kib
    if missing <= 0:
        return None
    domain.attach_live(edit.memory_module(missing), "plug memory into the VM")
    if read_domain(domain.xml()).memory_kib < operation.memory_kib:
        raise OperationFailed("Failed to plug memory into the VM: it has as much as before")
    return _keep_memory


def connect_card(hypervisor: Hypervisor, operation: ConnectCard) -> Optional[Undo]:
    """Have its first card be another, or plugged in elsewhere; live first, where libvirt may refuse it."""
    domain = hypervisor.domain(operation.uuid)
    card = operation.card
    undo_live = None
    if operation.live and card is not None and domain.is_active():
        undo_live = _plug_elsewhere(domain, card)

    def change(xml: str) -> str:
        return edit.disconnected(xml) if card is None else edit.connected(xml, card)

    def is_done(now: DomainDefinition) -> bool:
        return _is_first_card(now, card)

    try:
        if is_done(read_domain(domain.xml(inactive=True))):
            return undo_live
        failure = "Failed to connect the VM's network card: libvirt made another of it"
        undo = redefine(hypervisor, domain, change, _read(is_done), failure)
    except Exception:
        if undo_live is not None:
            undo_live()
        raise
    return partial(_all, undo, undo_live)


def set_vnc(hypervisor: Hypervisor, operation: SetVnc) -> Optional[Undo]:
    """Give its definition a VNC display, or take it away."""
    domain = hypervisor.domain(operation.uuid)
    listen = operation.listen

    def change(xml: str) -> str:
        return edit.without_vnc(xml) if listen is None else edit.with_vnc(xml, listen)

    def is_done(now: DomainDefinition) -> bool:
        return (listen is not None) == any(display.type == "vnc" for display in now.graphics)

    return redefine(hypervisor, domain, change, _read(is_done), "Failed to change the VM's VNC display")


def redefine(
    hypervisor: Hypervisor,
    domain: Domain,
    change: Callable[[str], str],
    is_done: Callable[[str], bool],
    failure: str,
) -> Undo:
    """Define the domain as ``change`` makes of its XML, and see by ``is_done`` what libvirt made of that.

    Raises `OperationFailed` with ``failure`` where it is not what was wanted; then the definition is as it was.
    """
    if not domain.is_persistent():
        raise WrongState(TRANSIENT)
    before = domain.xml(inactive=True, secure=True)
    hypervisor.redefine(change(before))
    if not is_done(domain.xml(inactive=True)):
        hypervisor.redefine(before)  # or half of the change would stay
        raise OperationFailed(failure)
    return partial(_put_back, hypervisor, domain.uuid, before)


def _read(is_done: Callable[[DomainDefinition], bool]) -> Callable[[str], bool]:
    return lambda xml: is_done(read_domain(xml))


def _put_back(hypervisor: Hypervisor, uuid: str, xml: str) -> None:
    hypervisor.redefine(edit.named(xml, hypervisor.domain(uuid).name))  # which may be another by now, and stay so


def _keep_memory() -> None:
    raise OperationFailed("the memory that was plugged in stays until the VM is off")


def _plug_elsewhere(domain: Domain, card: Interface) -> Optional[Undo]:
    xml = domain.xml()
    before = edit.card_xml(xml, card.mac_address)
    wanted = edit.card_xml(xml, card.mac_address, card)
    if before is None or wanted is None:
        raise OperationFailed("Failed to connect the VM's network card: the running VM has no such card")
    domain.update_live(wanted, "connect the VM's network card")
    return partial(domain.update_live, before, "connect the VM's network card")


def _is_first_card(now: DomainDefinition, card: Optional[Interface]) -> bool:
    present = now.interfaces[0] if now.interfaces else None
    if card is None or present is None:
        return present is card
    return (
        (present.type, present.source) == (card.type, card.source)
        and card.mac_address in (None, present.mac_address)
        and card.model in (None, present.model)
    )


def _all(*undos: Optional[Undo]) -> None:
    for undo in undos:
        if undo is not None:
            undo()
