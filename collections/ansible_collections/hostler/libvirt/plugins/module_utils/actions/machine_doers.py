# SPDX-License-Identifier: GPL-3.0-or-later
"""What does each operation on a VM as a whole."""

from __future__ import annotations

from ansible_collections.hostler.libvirt.plugins.module_utils.actions import (
    creation_doers,
    domains,
    hardware,
    rename,
    volumes,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.doers import Doers
from ansible_collections.hostler.libvirt.plugins.module_utils.plan import machine_steps, power_steps, volume_steps

DOERS: Doers = {
    **creation_doers.DOERS,
    machine_steps.ResizeDomain: hardware.resize,
    machine_steps.PlugVcpus: hardware.plug_vcpus,
    machine_steps.PlugMemory: hardware.plug_memory,
    machine_steps.ConnectCard: hardware.connect_card,
    machine_steps.SetVnc: hardware.set_vnc,
    machine_steps.RenameDomain: rename.rename,
    power_steps.ResumeDomain: domains.resume,
    power_steps.SuspendDomain: domains.suspend,
    power_steps.SaveDomain: domains.save,
    power_steps.RestoreDomain: domains.restore,
    power_steps.RestartDomain: domains.restart,
    power_steps.ResetDomain: domains.reset,
    power_steps.StopDomain: domains.stop,
    power_steps.PowerOff: domains.power_off,
    machine_steps.UndefineDomain: domains.undefine,
    volume_steps.GrowDisk: volumes.grow,
    volume_steps.DeleteVolume: volumes.delete_volume,
    volume_steps.AddVolume: volumes.add_volume,
}
"""Its snapshots and devices have tables of their own, beside what does it, so that a module that has nothing to do with
them is sent without them."""
