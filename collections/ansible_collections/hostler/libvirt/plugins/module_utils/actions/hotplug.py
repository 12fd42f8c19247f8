# SPDX-License-Identifier: GPL-3.0-or-later
"""Plugging devices into VMs that run, and out of them.

QEMU plugs in at once; it is the guest that lets go, when it likes or never. One whose QEMU hangs keeps nobody waiting.
"""

from __future__ import annotations

import time
from functools import partial
from typing import Callable, Optional
from xml.etree.ElementTree import Element

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.doers import Undo
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.sockets import is_free
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    GuestTimeout,
    HostlerError,
    HostUnreachable,
    OperationFailed,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.domain import Domain
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.side_connection import Result, SideConnection

Find = Callable[[str], Optional[str]]
"""Finds a device's element in a domain's XML."""

# libvirt itself gives a guest 5 s, to open its tray for one, before it answers
_ANSWER_SECONDS = 30
_LOOK_AGAIN_SECONDS = 0.25
# a guest that is still booting drops the request without a trace
_ASK_AGAIN_SECONDS = 10.0


def answered(hypervisor: Hypervisor, uuid: str, call: Callable[[Domain], Result]) -> Result:
    """What ``call`` of that VM answers; raises `GuestTimeout` for a QEMU that hangs."""
    with SideConnection(hypervisor) as side:
        return side.call(_ANSWER_SECONDS, lambda other: call(other.domain(uuid)))


def plug(hypervisor: Hypervisor, domain: Domain, element: str, find: Find, what: str) -> Optional[Undo]:
    """Plug the device ``element`` into the running VM; one that is there already, as ``find`` sees it, stays.

    Of a VM that is off by now nothing is done: it starts with what its definition says.
    """
    if not domain.is_active() or find(domain.xml()) is not None:
        return None
    answered(hypervisor, domain.uuid, lambda other: other.attach_live(element, f"plug {what} into the VM"))
    if find(domain.xml()) is None:
        raise OperationFailed(f"Failed to plug {what} into the VM: it is not there")
    return partial(_unplug_again, hypervisor, domain, find, what)


def unplug(hypervisor: Hypervisor, domain: Domain, find: Find, what: str, timeout: float) -> Optional[Undo]:
    """Have the guest let go of the device that ``find`` sees; raises `GuestTimeout` if it has not after ``timeout`` s.

    It may do so later all the same, once it has booted for one.
    """
    if not domain.is_active():
        return None
    element = find(domain.xml(secure=True))
    if element is None:
        return None
    deadline = time.monotonic() + timeout
    asked = _ask(hypervisor, domain, element, what)
    while domain.is_active() and find(domain.xml()) is not None:
        if time.monotonic() >= deadline:
            raise GuestTimeout(
                f"The guest did not let go of {what} within {timeout:g} s; it may do so later, when it has booted say"
            )
        if time.monotonic() - asked >= _ASK_AGAIN_SECONDS:
            asked = _ask(hypervisor, domain, element, what)
        time.sleep(_LOOK_AGAIN_SECONDS)
    return partial(_plug_again, hypervisor, domain, element, find, what)


def change(hypervisor: Hypervisor, domain: Domain, find: Find, element: str, what: str, force: bool = False) -> Undo:
    """Make the running VM's device that ``find`` sees what ``element`` says."""
    before = find(domain.xml(secure=True))
    if before is None:
        raise OperationFailed(f"Failed to change {what}: the running VM has no such device")
    doing = f"change {what}"
    answered(hypervisor, domain.uuid, lambda other: other.update_live(element, doing, force))
    return partial(_change_back, hypervisor, domain, before, doing)


def address_of_other_side(
    domain: Domain, find: Callable[[str], Optional[Element]], inactive: bool
) -> Optional[Element]:
    """Where a device is in the definition (``inactive``) or as it runs, if it can be there on the other side, too."""
    address = find(domain.xml(inactive=inactive))
    return address if address is not None and is_free(domain.xml(inactive=not inactive), address) else None


def _ask(hypervisor: Hypervisor, domain: Domain, element: str, what: str) -> float:
    try:
        answered(hypervisor, domain.uuid, lambda other: other.detach_live(element, f"unplug {what}"))
    except HostUnreachable:
        raise
    except HostlerError as error:
        # asked before, and not yet heard; libvirt has no code of its own for it
        if "in the process of unplug" not in error.message and domain.is_active():
            raise
    return time.monotonic()


def _unplug_again(hypervisor: Hypervisor, domain: Domain, find: Find, what: str) -> None:
    unplug(hypervisor, domain, find, what, timeout=_ANSWER_SECONDS)


def _plug_again(hypervisor: Hypervisor, domain: Domain, element: str, find: Find, what: str) -> None:
    plug(hypervisor, domain, element, find, what)


def _change_back(hypervisor: Hypervisor, domain: Domain, element: str, doing: str) -> None:
    if domain.is_active():
        answered(hypervisor, domain.uuid, lambda other: other.update_live(element, doing))
