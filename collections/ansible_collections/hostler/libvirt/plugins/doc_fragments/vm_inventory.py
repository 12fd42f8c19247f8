# SPDX-License-Identifier: GPL-3.0-or-later
"""What the inventories of VMs say of names and groups, whoever tells them of the VMs."""

from __future__ import annotations


class ModuleDocFragment:
    """Documentation of the options that all of them have."""

    DOCUMENTATION = r"""
options:
  hostnames:
    description:
      - What the VMs are called in the inventory, V(name), V(uuid), or V(name_host), which is the VM's name, C(_) and
        its libvirt host's name.
      - VMs that would be called the same are all called by their name (or UUID) and their libvirt host, and a warning
        says so. So is a VM called C(localhost), as nobody else's machine should be taken for this one.
    type: str
    choices: [name, uuid, name_host]
    default: name
  tags:
    description: Only VMs that have all of these tags.
    type: list
    elements: str
    default: []
  group_by:
    description:
      - Groups to be made, V(host) for C(host_NAME) of each libvirt host, V(status) for C(status_STATUS), V(os_type) for
        C(os_type_TYPE), V(tag) for C(tag_TAG).
      - For others, and other names, there are O(keyed_groups) and O(groups).
    type: list
    elements: str
    choices: [host, status, os_type, tag]
    default: []
"""
