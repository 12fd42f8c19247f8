# SPDX-License-Identifier: GPL-3.0-or-later
"""Taking back what a create has made that did not come to its end."""

from __future__ import annotations

import dataclasses

from ansible_collections.hostler.libvirt.plugins.module_utils.actions import delete
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.observe import observe
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor


def undo_create(hypervisor: Hypervisor, uuid: str) -> None:
    """Remove the VM and its disks, whole or not; one of which nothing is there is no error."""
    domain = hypervisor.find_domain(uuid)
    if domain is None:
        return
    record = observe(hypervisor, domain).record
    if record is not None and record.protected:  # guarded against users, not against its own undoing
        domain.set_record(dataclasses.replace(record, incomplete=True))
    delete.delete(hypervisor, uuid)
