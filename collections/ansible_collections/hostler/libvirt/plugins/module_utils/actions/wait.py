# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting until a guest has come as far as somebody needs it, or has gone off."""

from __future__ import annotations

import socket
import time
from typing import Callable, Dict, Optional

from ansible_collections.hostler.libvirt.plugins.module_utils.actions import power
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.read import read_domain
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    GuestTimeout,
    MachineNotFound,
    OperationFailed,
    WrongState,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.network import guest_address
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.wait import WaitFor

_LOOK_AGAIN_SECONDS = 0.5
_CONNECT_SECONDS = 2.0


def wait(hypervisor: Hypervisor, uuid: str, wanted: WaitFor) -> None:
    """Return as soon as the VM is as ``wanted`` says; at once if it is.

    Raises `GuestTimeout` when its time is up, and `OperationFailed` for a VM that goes off while something of its guest
    is waited for.
    """
    is_so = _LOOKS[wanted.what]
    deadline = time.monotonic() + wanted.timeout
    while not is_so(hypervisor, uuid, wanted):
        if time.monotonic() >= deadline:
            raise GuestTimeout(f"After {wanted.timeout:g} s the VM {_MISSED[wanted.what].format(port=wanted.port)}")
        time.sleep(_LOOK_AGAIN_SECONDS)


def _is_off(hypervisor: Hypervisor, uuid: str, _wanted: WaitFor) -> bool:
    return power.is_off(hypervisor, uuid)


def _has_agent(hypervisor: Hypervisor, uuid: str, _wanted: WaitFor) -> bool:
    return read_domain(_running_xml(hypervisor, uuid)).guest_agent_connected


def _has_address(hypervisor: Hypervisor, uuid: str, _wanted: WaitFor) -> bool:
    return _address(hypervisor, uuid) is not None


def _has_open_port(hypervisor: Hypervisor, uuid: str, wanted: WaitFor) -> bool:
    address = _address(hypervisor, uuid)
    if address is None or wanted.port is None:
        return False
    try:
        with socket.create_connection((address, wanted.port), _CONNECT_SECONDS):
            return True
    except OSError:
        return False


def _address(hypervisor: Hypervisor, uuid: str) -> Optional[str]:
    running = read_domain(_running_xml(hypervisor, uuid))
    found = guest_address(hypervisor, hypervisor.domain(uuid), running)
    return None if found is None else found.address


def _running_xml(hypervisor: Hypervisor, uuid: str) -> str:
    try:
        domain = hypervisor.domain(uuid)
        xml = domain.xml()
        if domain.is_active():
            return xml
    except (MachineNotFound, WrongState):
        pass
    raise OperationFailed("The VM is off: nothing of its guest can be waited for")


_LOOKS: Dict[str, Callable[[Hypervisor, str, WaitFor], bool]] = {
    "off": _is_off,
    "agent": _has_agent,
    "address": _has_address,
    "port": _has_open_port,
}
_MISSED = {
    "off": "is still on",
    "agent": "has no guest agent that answers",
    "address": "has no address",
    "port": "takes no connection at port {port}",
}
