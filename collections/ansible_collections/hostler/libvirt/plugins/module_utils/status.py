# SPDX-License-Identifier: GPL-3.0-or-later
"""Our words for how a VM is."""

from __future__ import annotations

# virDomainState, https://libvirt.org/html/libvirt-libvirt-domain.html#virDomainState
_STATUS = {
    0: "unknown",
    1: "running",
    2: "running",  # blocked: waiting for the hypervisor, a Xen word
    3: "paused",
    4: "stopping",
    5: "stopped",
    6: "crashed",
    7: "suspended",
}
SHUTOFF = 5
OFF = ("stopped", "crashed", "saved")
"""What `status_of` calls one that no QEMU runs for."""
_SHUTOFF_CRASHED = 3
STARTING = (3, 11)
"""libvirt's state and reason of one whose QEMU is being started (VIR_DOMAIN_PAUSED_STARTING_UP): nobody has paused it.

Where that fails it is off again, and no event tells of it."""


def status_of(state: int, reason: int, has_managed_save: bool = False) -> str:
    """Our word for libvirt's state and reason."""
    if (state, reason) == STARTING:
        return "running"
    if state == SHUTOFF:
        if has_managed_save:
            return "saved"
        if reason == _SHUTOFF_CRASHED:
            return "crashed"
    return _STATUS.get(state, "unknown")
