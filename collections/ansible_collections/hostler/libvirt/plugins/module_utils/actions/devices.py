# SPDX-License-Identifier: GPL-3.0-or-later
"""The operations on devices of a VM that is there which are neither disk nor card nor display."""

from __future__ import annotations

from typing import Optional

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.doers import Doers, Undo
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.hardware import redefine
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.device import (
    read_devices,
    with_device,
    without_device,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.devices import DefineDevice, UndefineDevice


def define_device(hypervisor: Hypervisor, operation: DefineDevice) -> Optional[Undo]:
    """Write it into the definition."""
    device = operation.device
    return redefine(
        hypervisor,
        hypervisor.domain(operation.uuid),
        lambda xml: with_device(xml, device),
        lambda xml: any(one.key == device.key for one in read_devices(xml)),
        f"Failed to define device {device.key}: libvirt made another of it",
    )


def undefine_device(hypervisor: Hypervisor, operation: UndefineDevice) -> Optional[Undo]:
    """Take it out of the definition."""
    key = operation.key
    return redefine(
        hypervisor,
        hypervisor.domain(operation.uuid),
        lambda xml: without_device(xml, key),
        lambda xml: all(one.key != key for one in read_devices(xml)),
        f"Failed to take device {key} out of the definition",
    )


DOERS: Doers = {DefineDevice: define_device, UndefineDevice: undefine_device}
"""What `perform` does for each operation on them."""
