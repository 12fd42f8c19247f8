# SPDX-License-Identifier: GPL-3.0-or-later
"""What does each operation of a plan that makes a VM."""

from __future__ import annotations

from ansible_collections.hostler.libvirt.plugins.module_utils.actions import disks, domains
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.doers import Doers
from ansible_collections.hostler.libvirt.plugins.module_utils.plan import machine_steps, power_steps, volume_steps

DOERS: Doers = {
    machine_steps.DefineDomain: domains.define,
    volume_steps.CreateVolume: disks.create_volume,
    volume_steps.WriteSeed: disks.write_seed,
    machine_steps.SetAutostart: domains.set_autostart,
    power_steps.StartDomain: domains.start,
    machine_steps.WriteRecord: domains.write_record,
}
