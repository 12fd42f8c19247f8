# SPDX-License-Identifier: GPL-3.0-or-later
"""A VM that was observed, as what is switched on and off."""

from __future__ import annotations

from ansible_collections.hostler.libvirt.plugins.module_utils.machine import ObservedMachine
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.power import PowerState


def power_state_of(observed: ObservedMachine) -> PowerState:
    """What of it matters to its power."""
    return PowerState(
        observed.uuid, observed.name, observed.status, observed.is_active, observed.is_persistent, observed.record
    )
