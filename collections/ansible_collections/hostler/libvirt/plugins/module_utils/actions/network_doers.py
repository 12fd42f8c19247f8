# SPDX-License-Identifier: GPL-3.0-or-later
"""The operations on networks: observe, act, verify, and how each is put back."""

from __future__ import annotations

from functools import partial
from typing import Optional

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.doers import Doers, Undo
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    HostlerError,
    HostUnreachable,
    NetworkNotFound,
    OperationFailed,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.network_admin import (
    ManagedNetwork,
    define_network,
    managed_network,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.network_xml.given import marked, network_fingerprint
from ansible_collections.hostler.libvirt.plugins.module_utils.network_xml.read import read_network
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.network_steps import (
    DefineNetwork,
    SetNetworkAutostart,
    StartNetwork,
    StopNetwork,
    UndefineNetwork,
    UpdateNetwork,
)

_OPPOSITE = {"add": "delete", "delete": "add", "modify": "modify"}


def define(hypervisor: Hypervisor, operation: DefineNetwork) -> Optional[Undo]:
    """Define it, and see whether libvirt made of it what was wanted; else it is as it was before."""
    present = managed_network(hypervisor, operation.name)
    before = present.xml(inactive=True) if present is not None and present.is_persistent() else None
    by_user = operation.fingerprint is not None
    try:
        network = define_network(hypervisor, operation.xml, validate=by_user)
    except HostUnreachable:
        raise
    except HostlerError as error:
        error.field = "xml" if by_user else None
        raise
    undo = partial(network.undefine) if before is None else partial(_redefine, hypervisor, before)
    try:
        defined = network.xml(inactive=True)
        if operation.fingerprint is not None:
            define_network(hypervisor, marked(defined, operation.fingerprint, network_fingerprint(defined)))
        found = read_network(defined)
        other = [name for name, value in operation.expected.items() if found[name] != value]
        if other:
            what = ", ".join(other)
            raise OperationFailed(f"Failed to define the network: libvirt made something else of its {what}")
    except HostUnreachable:
        raise
    except HostlerError:
        undo()
        raise
    return undo


def update(hypervisor: Hypervisor, operation: UpdateNetwork) -> Optional[Undo]:
    """Change the network that runs; one that has stopped meanwhile has it when it starts."""
    network = _required(hypervisor, operation.name)
    if not network.is_active():
        return None
    change = operation.change
    network.update_live(change.option, change.command, change.subnet, change.xml)
    opposite = _OPPOSITE[change.command]
    return partial(network.update_live, change.option, opposite, change.subnet, change.before or change.xml)


def start(hypervisor: Hypervisor, operation: StartNetwork) -> Optional[Undo]:
    """Make it active, unless it is."""
    network = _required(hypervisor, operation.name)
    if network.is_active():
        return None
    network.start()
    return network.stop


def stop(hypervisor: Hypervisor, operation: StopNetwork) -> Optional[Undo]:
    """Make it inactive, unless it is."""
    network = managed_network(hypervisor, operation.name)
    if network is None or not network.is_active():
        return None
    kept = network.is_persistent()
    network.stop()
    return network.start if kept else None


def set_autostart(hypervisor: Hypervisor, operation: SetNetworkAutostart) -> Optional[Undo]:
    """Have it start with its host, or not."""
    network = _required(hypervisor, operation.name)
    before = network.autostart()
    if before == operation.autostart:
        return None
    network.set_autostart(operation.autostart)
    return partial(network.set_autostart, before)


def undefine(hypervisor: Hypervisor, operation: UndefineNetwork) -> Optional[Undo]:
    """Remove its definition."""
    network = managed_network(hypervisor, operation.name)
    if network is None or not network.is_persistent():
        return None
    before, starts = network.xml(inactive=True), network.autostart()
    network.undefine()
    return partial(_define_again, hypervisor, before, starts)


def _redefine(hypervisor: Hypervisor, xml: str) -> None:
    define_network(hypervisor, xml)


def _define_again(hypervisor: Hypervisor, xml: str, autostart: bool) -> None:
    define_network(hypervisor, xml).set_autostart(autostart)


def _required(hypervisor: Hypervisor, name: str) -> ManagedNetwork:
    network = managed_network(hypervisor, name)
    if network is None:
        raise NetworkNotFound(f"Network '{name}' is gone from this host")
    return network


DOERS: Doers = {
    DefineNetwork: define,
    UpdateNetwork: update,
    StartNetwork: start,
    StopNetwork: stop,
    SetNetworkAutostart: set_autostart,
    UndefineNetwork: undefine,
}
"""What `perform` does for each."""
