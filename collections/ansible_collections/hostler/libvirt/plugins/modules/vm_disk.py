#!/usr/bin/python
# Copyright: Hostler contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: vm_disk
short_description: A further disk of a virtual machine, attached, changed, grown or detached
version_added: 0.1.0
description:
  - Attaches a disk to a VM, whoever made that, changes it, grows it or detaches it, while the VM is off or runs.
  - What would change is planned first; check mode and diff show that plan, and a real run carries out the same one.
  - A step that fails is put back, or the error says what remains.
extends_documentation_fragment:
  - hostler.libvirt.connection
  - hostler.libvirt.connection.attributes
  - hostler.libvirt.devices
options:
  state:
    description:
      - V(present) attaches the disk if it is not there, else brings it to what the other options say; those that are left
        out stay as they are.
      - V(absent) detaches it. From a VM that runs it is unplugged, for which its guest has O(timeout) seconds.
    type: str
    choices: [present, absent]
    default: present
  target:
    description:
      - Which disk of the VM it is, by its name in the VM's definition, such as V(vdb) or V(sda). A guest may use other names.
      - Where O(target) is left out, the disk is that with O(serial), or where that is left out, too, that of O(path) or
        O(volume). One of these is needed; a new disk then gets the first name that is free.
    type: str
  serial:
    description:
      - The disk's serial number, 1 to 20 letters, digits, dots, dashes and underscores. A Linux guest has it as
        C(/dev/disk/by-id/virtio-SERIAL), or on V(scsi) as part of a name there.
      - Says which disk is meant where O(target) is left out; beside that it is what the disk gets.
    type: str
  path:
    description: The disk's file or block device, a plain absolute path on the host. Has to be there.
    type: str
  volume:
    description:
      - The disk's volume in O(pool). One that is not there is made if O(size_gb) is given. One that is there already is never the
        VM's own, and outlives it.
      - A disk for which neither O(path) nor O(volume) is given gets a new volume, of a name that is free.
    type: str
  pool:
    description: The storage pool of the disk's volume.
    type: str
    default: default
  size_gb:
    description:
      - Size of the disk in GiB, rounded up to a whole MiB; at least that of its image.
      - A disk that is there grows to it, also while the VM runs; it never shrinks.
    type: float
  image:
    description:
      - The base image of a new disk, a volume of O(image_pool). Blank where it is left out.
      - Counts for nothing where the disk is there already.
    type: str
  image_mode:
    description:
      - V(copy) makes a new disk independent of its image.
      - V(backing) makes it an overlay, which is quicker and smaller, and needs the image for as long as the disk lives.
    type: str
    choices: [copy, backing]
    default: copy
  image_pool:
    description: The storage pool of the base images.
    type: str
    default: default
  format:
    description:
      - The format of the disk. A new one is V(qcow2) where it is left out, or V(raw) if it is O(shareable) and written to.
      - What is there already has the format that its storage pool says it has, where that can be relied on. A file that is in
        no pool, and a qcow2 that names a backing file or a data file, has to have it said. Guests can write the header of a
        qcow2 into a raw disk, and by it read the files of a host that believes them.
    type: str
    choices: [qcow2, raw]
  bus:
    description:
      - How the disk is attached. V(virtio) where it is left out, or V(scsi) for a O(target) that begins with C(sd).
      - V(virtio) and V(scsi) disks are plugged in while the VM runs; V(virtio) ones need a PCIe port each, of which VMs of
        M(hostler.libvirt.vm) start with six to spare. V(sata) ones wait for the next boot.
      - A disk that is there keeps its bus.
    type: str
    choices: [virtio, scsi, sata]
  cache:
    description: How the host caches the disk. A running VM gets it at its next boot.
    type: str
    choices: [default, none, writethrough, writeback, directsync, unsafe]
  io:
    description:
      - How the host reads and writes the disk; V(native) goes with O(cache=none) and O(cache=directsync) only. A running VM
        gets it at its next boot.
    type: str
    choices: [default, native, threads, io_uring]
  discard:
    description:
      - Whether what the guest trims is given back to the host. V(unmap) for a new volume where it is left out. A running VM
        gets it at its next boot.
    type: str
    choices: [unmap, ignore]
  read_only:
    description: Whether the guest can only read it. A running VM gets it at its next boot.
    type: bool
  shareable:
    description:
      - Whether several VMs may have it at once. Goes with O(format=raw), or with O(read_only). A running VM gets it at its
        next boot.
      - What another VM uses is refused unless O(shareable) or O(read_only); what disks are built on, unless O(read_only).
    type: bool
  limits:
    description:
      - What the guest may do with the disk in a second, also changed while the VM runs. Those that are left out stay; V(0) takes
        one away.
      - A total goes with no limit for reading or writing of its kind.
    type: dict
    suboptions:
      total_bytes_sec:
        description: Bytes read and written.
        type: int
      read_bytes_sec:
        description: Bytes read.
        type: int
      write_bytes_sec:
        description: Bytes written.
        type: int
      total_iops_sec:
        description: Reads and writes.
        type: int
      read_iops_sec:
        description: Reads.
        type: int
      write_iops_sec:
        description: Writes.
        type: int
  delete:
    description:
      - With V(owned), O(state=absent) deletes the disk's volume, too, if it is the VM's own. What is shareable, read only, another
        VM's, another volume's backing file, or was there before the VM had it is never deleted, nor anything outside of the
        storage pools.
      - A disk that was detached without it is nobody's, and stays.
    type: str
    choices: [none, owned]
    default: none
  detach_root:
    description: Whether O(state=absent) may detach the VM's root disk, which is its first; without it that is an error.
    type: bool
    default: false
  timeout:
    description:
      - How many seconds the guest has to let go of the disk. A guest that has not is an error; nothing has changed then,
        though it may still let go later. One that is still booting does when it has.
    type: int
    default: 60
seealso:
  - module: hostler.libvirt.vm
author:
  - Hostler contributors (@hostler)
"""

EXAMPLES = r"""
- name: A disk of 30 GiB for the data of a VM that may be running
  hostler.libvirt.vm_disk:
    name: database-01
    serial: data
    size_gb: 30
    live: true

- name: The same with more room, and with no more than 500 operations a second
  hostler.libvirt.vm_disk:
    name: database-01
    serial: data
    size_gb: 60
    limits:
      total_iops_sec: 500
    live: true

- name: A volume that is there already, on SCSI
  hostler.libvirt.vm_disk:
    name: database-01
    volume: archive.qcow2
    pool: slow
    bus: scsi
    live: true

- name: Off with the disk and what was on it
  hostler.libvirt.vm_disk:
    name: database-01
    serial: data
    state: absent
    delete: owned
    live: true
"""

RETURN = r"""
disk:
  description: The disk as it is after the task; in check mode, as it was before. None where there is none.
  returned: success
  type: dict
  contains:
    target:
      description: Its name in the VM's definition.
      returned: always
      type: str
    bus:
      description: How it is attached.
      returned: always
      type: str
    path:
      description: Its file or block device on the host; none for what has no path there.
      returned: always
      type: str
    format:
      description: Its format.
      returned: always
      type: str
    size_gb:
      description: Its size in GiB; none where the host can't tell.
      returned: always
      type: float
    serial:
      description: Its serial number; none where it has none of its own.
      returned: always
      type: str
    cache:
      description: How the host caches it; none where that is left to QEMU.
      returned: always
      type: str
    io:
      description: How the host reads and writes it; none where that is left to QEMU.
      returned: always
      type: str
    discard:
      description: Whether what the guest trims is given back; none where that is left to QEMU.
      returned: always
      type: str
    read_only:
      description: Whether the guest can only read it.
      returned: always
      type: bool
    shareable:
      description: Whether several VMs may have it.
      returned: always
      type: bool
    limits:
      description: The I/O limits that it has.
      returned: always
      type: dict
    defined:
      description: Whether the VM starts with it.
      returned: always
      type: bool
    running:
      description: Whether the VM runs and has it.
      returned: always
      type: bool
  sample:
    target: vdb
    bus: virtio
    path: /var/lib/libvirt/images/database-01-12345678-disk1.qcow2
    format: qcow2
    size_gb: 100.0
    serial: data
    cache:
    io:
    discard: unmap
    read_only: false
    shareable: false
    limits: {}
    defined: true
    running: true
plan:
  description: The steps, in order, each with when it takes effect (V(now), V(next_boot)).
  returned: success
  type: list
  elements: dict
  sample:
    - title: Plug in disk vdb
      applies: now
next_boot:
  description: The options whose value a running VM gets only at its next boot; O(state) for a disk that comes or goes then.
  returned: success
  type: list
  elements: str
  sample: []
deleted_disks:
  description: Paths of the files that were deleted, or in check mode would be.
  returned: success
  type: list
  elements: str
code:
  description: What went wrong, as a word for programs that stays the same.
  returned: failure
  type: str
  sample: guest_timeout
field:
  description: The option that caused it, where one did.
  returned: failure
  type: str
  sample: size_gb
"""

import dataclasses

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.ensure_disk import ensure_disk
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostlerError
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.library import LIBVIRT_IMPORT_ERROR
from ansible_collections.hostler.libvirt.plugins.module_utils.options import (
    CONNECTION_OPTIONS,
    DEVICE_OPTIONS,
    host_uri,
    one_from,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.wanted_disk import (
    CACHES,
    DELETES,
    DISCARDS,
    FORMATS,
    IO_MODES,
    STATES,
    WantedDisk,
    WantedLimits,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.spec import DISK_BUSES, IMAGE_MODES

# named as in the core's WantedDisk
DISK_OPTIONS = dict(
    state=dict(type="str", choices=list(STATES), default="present"),
    target=dict(type="str"),
    serial=dict(type="str"),
    path=dict(type="str"),
    volume=dict(type="str"),
    pool=dict(type="str", default="default"),
    size_gb=dict(type="float"),
    image=dict(type="str"),
    image_mode=dict(type="str", choices=list(IMAGE_MODES), default="copy"),
    image_pool=dict(type="str", default="default"),
    format=dict(type="str", choices=list(FORMATS)),
    bus=dict(type="str", choices=list(DISK_BUSES)),
    cache=dict(type="str", choices=list(CACHES)),
    io=dict(type="str", choices=list(IO_MODES)),
    discard=dict(type="str", choices=list(DISCARDS)),
    read_only=dict(type="bool"),
    shareable=dict(type="bool"),
    limits=dict(type="dict", options={one.name: dict(type="int") for one in dataclasses.fields(WantedLimits)}),
    delete=dict(type="str", choices=list(DELETES), default="none"),
    detach_root=dict(type="bool", default=False),
    timeout=dict(type="int", default=60),
)


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(**CONNECTION_OPTIONS, **DEVICE_OPTIONS, **DISK_OPTIONS),
        required_one_of=[("name", "uuid")],
        supports_check_mode=True,
    )
    if LIBVIRT_IMPORT_ERROR is not None:
        module.fail_json(msg=missing_required_lib("libvirt-python"), exception=LIBVIRT_IMPORT_ERROR)
    params = module.params
    limits = None if params["limits"] is None else WantedLimits(**params["limits"])
    given = {option: params[option] for option in DISK_OPTIONS}
    wanted = WantedDisk(**{**given, "limits": limits}, live=params["live"])
    try:
        with Hypervisor.open(host_uri(params)) as hypervisor:
            outcome = ensure_disk(hypervisor, one_from(params), wanted, check=module.check_mode)
    except HostlerError as error:
        module.fail_json(msg=error.message, code=error.code, field=error.field)
    module.exit_json(**outcome)


if __name__ == "__main__":
    main()
