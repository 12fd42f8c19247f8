# SPDX-License-Identifier: GPL-3.0-or-later
"""Which domain type really runs guests on a host.

That a host offers KVM, or has /dev/kvm, does not mean that a guest under it gets anywhere: in nested virtualisation it
may hang for ever. SeaBIOS is no proof either, it runs where 64-bit code does not. So the proof is a guest without disks
that runs the UEFI firmware, 64-bit code from its first instructions, and has to say something on its serial console.
"""

from __future__ import annotations

import time
import uuid
from typing import Any, NamedTuple

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.definition import DomainDefinition
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.write import domain_xml
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    HostlerError,
    HostUnreachable,
    Unsupported,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.domain import Domain
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.failure import translated
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.library import libvirt
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.roster import probe_name

PROBE_SECONDS = 10.0  # the same firmware says its first words after 4 s under TCG, the slowest that works
_LOOK_AGAIN_SECONDS = 0.1
_WOULD_BLOCK = -2  # virStreamRecv's answer when there is nothing to read yet


class Accelerator(NamedTuple):
    """The domain type to use; ``reason`` is a sentence for people, ``proved`` whether a guest has shown it."""

    virt_type: str
    proved: bool
    reason: str


def choose_virt_type(hypervisor: Hypervisor, wanted: str) -> str:
    """``wanted`` if the host offers it; for ``auto`` what really runs guests. Raises `Unsupported`."""
    if hypervisor.is_test_driver:
        return "test"
    if wanted == "auto":
        return find_accelerator(hypervisor).virt_type
    if wanted not in hypervisor.virt_types():
        raise Unsupported(f"This host does not offer domain type '{wanted}'", "virt_type")
    return wanted


def find_accelerator(hypervisor: Hypervisor) -> Accelerator:
    """What really runs guests on the host; takes about a second where KVM works, `PROBE_SECONDS` where it hangs."""
    if hypervisor.is_test_driver:
        return Accelerator("test", True, "libvirt's test driver")
    offered = hypervisor.virt_types()
    if "kvm" not in offered:
        return Accelerator("qemu", True, "the host offers no KVM")
    try:
        return _tried(hypervisor)
    except HostUnreachable:
        raise
    except HostlerError as error:
        if _is_about_firmware(error):
            return Accelerator("kvm", False, "the host offers KVM; without UEFI firmware (ovmf) it can't be proved")
        return Accelerator("qemu", False, f"whether guests run under KVM can't be told: {error.message}")


def _tried(hypervisor: Hypervisor) -> Accelerator:
    identity = str(uuid.uuid4())
    definition = DomainDefinition(
        name=probe_name(identity),
        uuid=identity,
        type="kvm",
        vcpus=1,
        memory_kib=128 * 1024,
        machine="q35",
        firmware="uefi",
        serial_console=True,
        memory_balloon=False,
    )
    domain = hypervisor.define(domain_xml(definition))
    try:
        try:
            domain.start()
        except HostlerError as error:
            if isinstance(error, HostUnreachable) or _is_about_firmware(error):
                raise
            return Accelerator("qemu", True, f"a guest under KVM does not start: {error.message}")
        if _hears_something(hypervisor.console(domain)):
            return Accelerator("kvm", True, "a guest ran under KVM")
        return Accelerator("qemu", True, f"a guest under KVM did nothing within {PROBE_SECONDS:g} s")
    finally:
        _remove(domain)


def _is_about_firmware(error: HostlerError) -> bool:
    return "firmware" in error.message.lower()


def _hears_something(stream: Any) -> bool:
    deadline = time.monotonic() + PROBE_SECONDS
    with translated("read the VM's console"):
        try:
            while time.monotonic() < deadline:
                heard = stream.recv(1024)
                if heard != _WOULD_BLOCK:
                    return bool(heard)
                time.sleep(_LOOK_AGAIN_SECONDS)
            return False
        finally:
            stream.abort()


def _remove(domain: Domain) -> None:
    try:
        domain.destroy()
    except HostlerError:
        pass  # it has ended by itself, or never started
    try:
        domain.undefine()
    except (HostlerError, libvirt.libvirtError):
        pass  # the host is gone; whatever is left is a stopped domain named hostler-probe-…
