# SPDX-License-Identifier: GPL-3.0-or-later
"""The operations on the display of a VM that is there."""

from __future__ import annotations

from functools import partial
from typing import Optional, Tuple

from ansible_collections.hostler.libvirt.plugins.module_utils.abilities import NO_SPICE, abilities_of
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.doers import Doers, Undo
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.hardware import redefine
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.hotplug import answered
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml import edit
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.definition import Graphics
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.read import read_domain
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import OperationFailed, Unsupported
from ansible_collections.hostler.libvirt.plugins.module_utils.graphics import GraphicsConfig
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.machine import ObservedMachine
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.graphics import SetDisplayPassword, SetGraphics


def displays(hypervisor: Hypervisor, uuid: str) -> Tuple[Tuple[Graphics, ...], Tuple[Graphics, ...]]:
    """The VM's displays as they are defined and as they run, with their passwords."""
    domain = hypervisor.domain(uuid)
    defined = read_domain(domain.xml(inactive=True, secure=True)).graphics if domain.is_persistent() else ()
    return defined, read_domain(domain.xml(secure=True)).graphics if domain.is_active() else ()


def require_displayable(hypervisor: Hypervisor, observed: ObservedMachine, config: GraphicsConfig) -> None:
    """Raise `Unsupported` for a display that the host's QEMU can't give that VM."""
    if config.type != "spice":
        return
    definition = observed.definition
    capabilities = hypervisor.domain_capabilities(definition.type, definition.machine or "")
    if not abilities_of(capabilities).spice:
        raise Unsupported(NO_SPICE, "graphics.type")


def set_graphics(hypervisor: Hypervisor, operation: SetGraphics) -> Optional[Undo]:
    """Write other settings of its display into the definition."""
    domain = hypervisor.domain(operation.uuid)
    wanted = operation.graphics

    def change(xml: str) -> str:
        return edit.without_graphics(xml) if wanted is None else edit.with_graphics(xml, wanted, operation.names)

    def is_done(xml: str) -> bool:
        found = [one for one in read_domain(xml).graphics if one.type in edit.REMOTE_DISPLAYS]
        if wanted is None:
            return not found
        now = next((one for one in found if one.type == wanted.type), None)
        names = [name for name in operation.names if name != "password"]  # which is not in what is read here
        return now is not None and all(getattr(now, name) == getattr(wanted, name) for name in names)

    failure = "Failed to change the VM's display: libvirt made something else of it"
    return redefine(hypervisor, domain, change, is_done, failure)


def set_display_password(hypervisor: Hypervisor, operation: SetDisplayPassword) -> Optional[Undo]:
    """Give the running display another password; viewers that are there stay."""
    domain = hypervisor.domain(operation.uuid)
    if not domain.is_active():
        return None
    xml = domain.xml(secure=True)
    present = next((one.password for one in read_domain(xml).graphics if one.type == operation.kind), None)
    _set_password(hypervisor, operation.uuid, operation.kind, operation.password)
    return partial(_set_password, hypervisor, operation.uuid, operation.kind, present)


def _set_password(hypervisor: Hypervisor, uuid: str, kind: str, password: Optional[str]) -> None:
    element = edit.graphics_xml(hypervisor.domain(uuid).xml(secure=True), kind, password)
    if element is None:
        raise OperationFailed("Failed to change the display's password: the running VM has no such display")
    answered(hypervisor, uuid, lambda domain: domain.update_live(element, "change the display's password"))


DOERS: Doers = {SetGraphics: set_graphics, SetDisplayPassword: set_display_password}
"""What `perform` does for each operation on it."""
