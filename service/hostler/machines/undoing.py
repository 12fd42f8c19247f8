# SPDX-License-Identifier: GPL-3.0-or-later
"""Taking back what a create has made that did not come to its end."""

from __future__ import annotations

import dataclasses

from ansible_collections.hostler.libvirt.plugins.module_utils.actions import delete
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.observe import observe
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.volumes import delete_volume
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.volume_steps import DeleteVolume
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.volumes import volume_name


def undo_create(hypervisor: Hypervisor, uuid: str, name: str) -> None:
    """Remove the VM of that name and its disks, whole or not; one of which nothing is there is no error."""
    domain = hypervisor.find_domain(uuid)
    if domain is not None:
        record = observe(hypervisor, domain).record
        if record is not None and record.protected:  # guarded against users, not against its own undoing
            domain.set_record(dataclasses.replace(record, incomplete=True))
        delete.delete(hypervisor, uuid)
    # the domain goes first, so an undoing that was cut off has left disks that no domain names
    prefix = volume_name(name, uuid, "")
    for pool in hypervisor.pools():
        for volume in pool.volumes():
            if volume.name.startswith(prefix):
                delete_volume(hypervisor, DeleteVolume(volume.path))
