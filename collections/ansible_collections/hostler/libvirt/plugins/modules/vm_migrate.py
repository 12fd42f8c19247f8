#!/usr/bin/python
# Copyright: Hostler contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: vm_migrate
short_description: Moves a virtual machine from one libvirt host to another, while it runs or while it is off
version_added: 0.1.0
description:
  - Brings a VM from the host at O(uri) to the one at O(destination_uri). One that runs, or is paused, goes on doing so; of one that
    is off the definition is moved. Name, UUID, MAC addresses, metadata, its record and autostart go along.
  - Whether the VM can go, and whether the other host has what it needs, is looked at first, and said before anything is touched.
  - What fails, or takes too long, leaves the VM at the source, and nothing of it at the destination; or the error says what
    remains. A task that was killed is run again; it completes what had arrived.
  - A VM that is saved, transient or not whole, or that has snapshots, checkpoints or devices of its host, is not moved. Nor is one
    that is off and has UEFI variables or a TPM, whose content libvirt takes along only while the VM runs or is paused.
extends_documentation_fragment:
  - hostler.libvirt.connection
  - hostler.libvirt.connection.attributes
attributes:
  check_mode:
    details:
      - That both hosts have the same storage is proved, by a file that is there for a moment, in a real run only. Check mode
        compares the files' names, sizes and beginnings.
      - Whether libvirt takes shared storage for safe, and whether a display can listen at its address there, shows in a real run
        only, too, before anything has changed.
options:
  name:
    description:
      - The VM's name.
      - One of O(name) and O(uuid) is needed; with both, the VM with that UUID must have that name.
    type: str
  uuid:
    description: The VM's UUID.
    type: str
  destination_uri:
    description: The libvirt connection URI of the other host, as the machine that the task runs on reaches it.
    type: str
    required: true
  storage:
    description:
      - V(shared) is for disks that both hosts have at the same path, in storage pools.
      - V(copied) copies each disk that the VM writes to, whole and without backing files, into the active storage pool that
        the destination has at the same path, and the VM's cloud-init seed with it. What is there already is never overwritten.
      - V(incremental) copies without backing files, which have to be at the destination, at the same paths.
      - A CD-ROM that is no such seed is never copied. What is in it has to be at the destination, too.
    type: str
    choices: [shared, copied, incremental]
    default: shared
  unsafe:
    description:
      - Whether you say that the storage is shared, where neither libvirt nor this module can tell. libvirt knows file systems of
        networks and clusters, and takes a local folder, and what is mounted in ways that it does not know, for unsafe.
      - Files that are in storage pools have to be the same on both hosts all the same.
      - With it a VM that is off may also take along folders and devices that it has of its host, which have to be there, too.
    type: bool
    default: false
  delete_source_disks:
    description:
      - Whether what was copied is deleted at the source when the VM is at its destination. Only the VM's own, and never what
        another VM, or a volume, is built on or uses.
      - Without it RV(left) names what stays.
    type: bool
    default: false
  peer_to_peer:
    description:
      - Whether the source's libvirtd calls the destination's, by O(peer_uri), and sees to the migration itself. A task that is
        killed does not end it then.
      - Without it the machine that the task runs on speaks to both.
    type: bool
    default: false
  peer_uri:
    description:
      - The destination's URI as the source's libvirtd reaches it; not a local socket, nor V(localhost). O(destination_uri) where it is
        left out.
    type: str
  migrate_uri:
    description:
      - Where the source's QEMU sends the guest's memory to, such as V(tcp://10.0.0.2) for a network of its own. The
        destination's host name where it is left out.
    type: str
  tunnelled:
    description: Whether memory goes through the connection of the two libvirtds. Goes with O(peer_to_peer) and O(storage=shared).
    type: bool
    default: false
  bandwidth_mb:
    description: How many MiB may be sent in a second, of memory and of disks each. As much as there is where it is left out.
    type: int
  max_downtime_ms:
    description: How many milliseconds the guest may stand still at the end; 300 by QEMU's default.
    type: int
  auto_converge:
    description: Whether a guest that changes its memory faster than it is sent is slowed down.
    type: bool
    default: false
  timeout:
    description:
      - How many seconds it may take to send disks and memory of a VM that runs.
      - What does not move at all for a minute is given up whatever this says.
    type: float
    default: 3600
  on_timeout:
    description:
      - V(abort) has the VM run on at the source, and fails.
      - V(pause) has the guest stand still until all is sent, and go on at the destination.
      - V(postcopy) has the guest go on at the destination at once, where its memory follows as it is needed; what fails then, a
        network, say, costs the guest its memory. Disks are copied to their end before.
    type: str
    choices: [abort, pause, postcopy]
    default: abort
seealso:
  - module: hostler.libvirt.vm
  - module: hostler.libvirt.vm_disk
author:
  - Hostler contributors (@hostler)
"""

EXAMPLES = r"""
- name: To another host of the same storage, while it runs
  hostler.libvirt.vm_migrate:
    name: web-server-01
    uri: qemu+ssh://root@host1.example.com/system
    destination_uri: qemu+ssh://root@host2.example.com/system

- name: With its disks, which are deleted here then, and not for more than ten minutes
  hostler.libvirt.vm_migrate:
    name: database-01
    destination_uri: qemu+tls://host2.example.com/system
    storage: copied
    delete_source_disks: true
    bandwidth_mb: 500
    timeout: 600

- name: By the hosts' own connection, over a network of its own
  hostler.libvirt.vm_migrate:
    name: batch-01
    destination_uri: qemu+ssh://root@host2.example.com/system
    peer_to_peer: true
    peer_uri: qemu+tls://host2.example.com/system
    migrate_uri: tcp://10.0.0.2
    on_timeout: pause
"""

RETURN = r"""
vm:
  description:
    - The VM as it is after the task, at its destination; in check mode, as it is at the source.
    - M(hostler.libvirt.vm) describes what it has.
  returned: success
  type: dict
  sample:
    name: web-server-01
    uuid: 12345678-1234-1234-1234-123456789012
    status: running
plan:
  description: The steps, in order, each with when it takes effect (V(now)).
  returned: success
  type: list
  elements: dict
  sample:
    - title: Migrate VM 'web-server-01' live to host2.example.com
      applies: now
left:
  description: Paths of the files at the source that were copied, and that stay there for nobody; in check mode, that would.
  returned: success
  type: list
  elements: str
  sample: []
deleted_disks:
  description: Paths of the files that were deleted at the source, or in check mode would be.
  returned: success
  type: list
  elements: str
  sample: []
migration:
  description: What it took to move a VM that runs, as libvirt has measured it; none where nothing was moved so.
  returned: success
  type: dict
  contains:
    total_ms:
      description: How long it took, in milliseconds.
      returned: always
      type: int
    downtime_ms:
      description: How long the guest stood still, in milliseconds; none where libvirt does not know, as after post-copy.
      returned: always
      type: int
    memory_bytes:
      description: How much was sent of its memory.
      returned: always
      type: int
    disk_bytes:
      description: How much was sent of its disks, when that was last seen.
      returned: always
      type: int
  sample:
    total_ms: 1203
    downtime_ms: 58
    memory_bytes: 68384556
    disk_bytes: 0
code:
  description: What went wrong, as a word for programs that stays the same.
  returned: failure
  type: str
  sample: guest_timeout
field:
  description: The option that caused it, where one did.
  returned: failure
  type: str
  sample: storage
"""

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.ensure_migration import (
    ensure_migration,
    open_destination,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostlerError
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.library import LIBVIRT_IMPORT_ERROR
from ansible_collections.hostler.libvirt.plugins.module_utils.options import CONNECTION_OPTIONS, host_uri, one_from
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.migration_wish import (
    ON_TIMEOUT,
    STORAGES,
    MigrationWish,
    validate_migration,
)

# named as in the core's MigrationWish
WISH_OPTIONS = dict(
    storage=dict(type="str", choices=list(STORAGES), default="shared"),
    unsafe=dict(type="bool", default=False),
    delete_source_disks=dict(type="bool", default=False),
    peer_to_peer=dict(type="bool", default=False),
    peer_uri=dict(type="str"),
    migrate_uri=dict(type="str"),
    tunnelled=dict(type="bool", default=False),
    bandwidth_mb=dict(type="int"),
    max_downtime_ms=dict(type="int"),
    auto_converge=dict(type="bool", default=False),
    timeout=dict(type="float", default=3600),
    on_timeout=dict(type="str", choices=list(ON_TIMEOUT), default="abort"),
)


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(
            name=dict(type="str"),
            uuid=dict(type="str"),
            destination_uri=dict(type="str", required=True),
            **CONNECTION_OPTIONS,
            **WISH_OPTIONS,
        ),
        required_one_of=[("name", "uuid")],
        supports_check_mode=True,
    )
    if LIBVIRT_IMPORT_ERROR is not None:
        module.fail_json(msg=missing_required_lib("libvirt-python"), exception=LIBVIRT_IMPORT_ERROR)
    params = module.params
    wish = MigrationWish(**{name: params[name] for name in WISH_OPTIONS})
    destination_uri = params["destination_uri"]
    try:
        wish = validate_migration(wish, destination_uri)
        with Hypervisor.open(host_uri(params)) as source, open_destination(destination_uri) as destination:
            outcome = ensure_migration(
                source, destination, one_from(params), wish, destination_uri, check=module.check_mode
            )
    except HostlerError as error:
        module.fail_json(msg=error.message, code=error.code, field=error.field)
    module.exit_json(**outcome)


if __name__ == "__main__":
    main()
