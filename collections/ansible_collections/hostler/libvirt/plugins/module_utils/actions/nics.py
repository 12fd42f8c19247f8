# SPDX-License-Identifier: GPL-3.0-or-later
"""The operations on the network cards of a VM that is there."""

from __future__ import annotations

from functools import partial
from typing import Optional, Sequence

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.doers import Doers, Undo
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.hardware import redefine
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.hotplug import (
    address_of_other_side,
    change,
    plug,
    unplug,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.document import serialize
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.nic import (
    Nic,
    nic_address,
    nic_element,
    nic_xml,
    read_nics,
    with_nic,
    with_nic_settings,
    without_nic,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import OperationFailed
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.device_steps import (
    ChangeNic,
    DefineNic,
    PlugNic,
    SetNic,
    UndefineNic,
    UnplugNic,
)


def plug_nic(hypervisor: Hypervisor, operation: PlugNic) -> Optional[Undo]:
    """Plug it into the running VM; at the address that its definition has for it, if it has."""
    domain = hypervisor.domain(operation.uuid)
    mac_address = operation.nic.mac_address or ""
    address = address_of_other_side(domain, partial(nic_address, mac_address=mac_address), inactive=True)
    element = serialize(nic_element(operation.nic, address))
    return plug(hypervisor, domain, element, partial(nic_xml, mac_address=mac_address), f"card {mac_address}")


def define_nic(hypervisor: Hypervisor, operation: DefineNic) -> Optional[Undo]:
    """Write it into the definition; at the address at which the running VM has it, so that its name there stays."""
    domain = hypervisor.domain(operation.uuid)
    nic = operation.nic
    mac_address = nic.mac_address or ""
    if nic_of(domain.xml(inactive=True), mac_address) is not None:
        return None
    address = address_of_other_side(domain, partial(nic_address, mac_address=mac_address), inactive=False)

    def is_done(xml: str) -> bool:
        now = nic_of(xml, mac_address)
        return now is not None and (now.type, now.source, now.model) == (nic.type, nic.source, nic.model or now.model)

    failure = f"Failed to define card {mac_address}: libvirt made another of it"
    return redefine(hypervisor, domain, lambda xml: with_nic(xml, nic, address), is_done, failure)


def unplug_nic(hypervisor: Hypervisor, operation: UnplugNic) -> Optional[Undo]:
    """Have the guest let go of it."""
    find = partial(nic_xml, mac_address=operation.mac_address)
    domain = hypervisor.domain(operation.uuid)
    return unplug(hypervisor, domain, find, f"card {operation.mac_address}", operation.timeout)


def undefine_nic(hypervisor: Hypervisor, operation: UndefineNic) -> Optional[Undo]:
    """Take it out of the definition."""
    domain = hypervisor.domain(operation.uuid)
    mac_address = operation.mac_address
    if nic_of(domain.xml(inactive=True), mac_address) is None:
        return None
    failure = f"Failed to take card {mac_address} out of the definition"
    return redefine(
        hypervisor,
        domain,
        lambda xml: without_nic(xml, mac_address),
        lambda xml: nic_of(xml, mac_address) is None,
        failure,
    )


def change_nic(hypervisor: Hypervisor, operation: ChangeNic) -> Optional[Undo]:
    """Give the running VM's card other settings."""
    domain = hypervisor.domain(operation.uuid)
    nic, names = operation.nic, operation.names
    mac_address = nic.mac_address or ""
    if not domain.is_active() or _has(domain.xml(), nic, names):
        return None
    find = partial(nic_xml, mac_address=mac_address)
    element = find(with_nic_settings(domain.xml(secure=True), nic, names)) or ""
    undo = change(hypervisor, domain, find, element, f"card {mac_address}")
    if not _has(domain.xml(), nic, names):
        undo()
        raise OperationFailed(f"Failed to change card {mac_address}: libvirt made something else of it")
    return undo


def set_nic(hypervisor: Hypervisor, operation: SetNic) -> Optional[Undo]:
    """Write other settings of it into the definition."""
    domain = hypervisor.domain(operation.uuid)
    nic, names = operation.nic, operation.names
    if _has(domain.xml(inactive=True), nic, names):
        return None
    failure = f"Failed to change card {nic.mac_address}: libvirt made something else of it"
    return redefine(
        hypervisor, domain, lambda xml: with_nic_settings(xml, nic, names), lambda xml: _has(xml, nic, names), failure
    )


def nic_of(xml: str, mac_address: str) -> Optional[Nic]:
    """The card of that address, None where the domain ``xml`` has none."""
    return next((nic for nic in read_nics(xml) if nic.mac_address == mac_address), None)


def _has(xml: str, nic: Nic, names: Sequence[str]) -> bool:
    now = nic_of(xml, nic.mac_address or "")
    return now is not None and all(now.setting(name) == nic.setting(name) for name in names)


DOERS: Doers = {
    PlugNic: plug_nic,
    DefineNic: define_nic,
    UnplugNic: unplug_nic,
    UndefineNic: undefine_nic,
    ChangeNic: change_nic,
    SetNic: set_nic,
}
"""What `perform` does for each operation on them."""
