#!/usr/bin/python
# Copyright: Hostler contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: vm_info
short_description: What one, some or all virtual machines of a libvirt host are
version_added: 0.1.0
description:
  - Tells of VMs, whoever made them, their state, sizes, disks, network cards, addresses and statistics.
  - A VM that is not there is no error; its entry says so.
  - A guest that hangs keeps nobody waiting for much longer than O(timeout), and spoils no other VM's entry.
    RV(vms[].unreadable) says what of it could not be read.
extends_documentation_fragment:
  - hostler.libvirt.connection
  - hostler.libvirt.connection.attributes
  - hostler.libvirt.selection
attributes:
  diff_mode:
    support: N/A
    details: Nothing is ever changed.
options:
  gather:
    description:
      - What is told beside the VM's state.
      - V(spec) is what the VM is, with its disks and network cards.
      - V(addresses) are those at which its guest can be reached.
      - V(statistics) are what it has used since it was started.
      - V(xml) is its definition in libvirt's own words.
      - An empty list is the quickest, see the notes.
    type: list
    elements: str
    choices: [spec, addresses, statistics, xml]
    default: [spec, addresses, statistics]
  timeout:
    description:
      - How many seconds guests may take in all for what only they know, at least 1.
      - Half of it is for their QEMUs (statistics and sizes of disks), the rest for their agents (addresses), each of
        which has 3 seconds.
    type: int
    default: 20
notes:
  - Calls to libvirt beside those that connect, however many VMs the host has; 4 for the state of all of them. With V(spec) or
    V(statistics) 2 more on a second connection, and with V(addresses) 1 for the list of networks and 1 for each of them,
    if any of the VMs runs.
  - To these come, for each VM, 1 for its definition with V(spec) and 1 with V(xml); for each that runs, 1 for the definition
    that it runs by with anything but V(xml), with V(addresses) 1 for the host's ARP table, and 3 where its agent is connected.
  - The status V(creating) is told only with V(spec); without it such a VM is V(stopped).
seealso:
  - module: hostler.libvirt.vm
  - module: hostler.libvirt.vm_power
author:
  - Hostler contributors (@hostler)
"""

EXAMPLES = r"""
- name: All about one VM
  hostler.libvirt.vm_info:
    name: web-server-01
  register: found

- name: Its address, if it is there and has one
  ansible.builtin.debug:
    msg: "{{ found.vms[0].ip_address | default('none') }}"

- name: The web servers' addresses
  hostler.libvirt.vm_info:
    pattern: web-*
    gather:
      - addresses

- name: The state of every VM, which takes four calls to libvirt
  hostler.libvirt.vm_info:
    gather: []

- name: Its definition in libvirt's own words
  hostler.libvirt.vm_info:
    name: web-server-01
    gather:
      - xml
"""

RETURN = r"""
vms:
  description:
    - The VMs, those of O(name) first, then those of O(uuid), then those of O(pattern), or all of the host in the order of
      their names where none of these is given.
  returned: success
  type: list
  elements: dict
  contains:
    exists:
      description: Whether it is there. Where it is not, the name or UUID that was asked for is all there is beside this.
      returned: always
      type: bool
    name:
      description: Its name.
      returned: always but for a UUID that no VM has
      type: str
    uuid:
      description: Its UUID.
      returned: always but for a name that no VM has
      type: str
    status:
      description:
        - Its state, one of V(running), V(paused), V(suspended), V(stopping), V(stopped), V(saved), V(crashed), V(creating) and
          V(unknown).
      returned: when it exists
      type: str
    autostart:
      description: Whether it starts with its host.
      returned: when it exists
      type: bool
    persistent:
      description: Whether it is still there after it is powered off.
      returned: when it exists
      type: bool
    unreadable:
      description: What could not be read of it, and why, a sentence each.
      returned: when it exists
      type: list
      elements: str
    cpu_cores:
      description: Virtual CPUs that it boots with.
      returned: when it exists, with V(spec)
      type: int
    memory_mb:
      description: Memory in MiB.
      returned: when it exists, with V(spec)
      type: int
    disk_gb:
      description: Size of the root disk in GiB; none where there is no such disk, or the host can't tell.
      returned: when it exists, with V(spec)
      type: float
    max_cpu_cores:
      description: To how many virtual CPUs it can grow while it runs.
      returned: when it exists, with V(spec)
      type: int
    max_memory_mb:
      description: To how much memory, in MiB, it can grow while it runs.
      returned: when it exists, with V(spec)
      type: int
    firmware:
      description: V(bios) or V(uefi).
      returned: when it exists, with V(spec)
      type: str
    secure_boot:
      description: Whether its firmware starts only what was signed.
      returned: when it exists, with V(spec)
      type: bool
    tpm:
      description: Whether it has a TPM.
      returned: when it exists, with V(spec)
      type: bool
    virt_type:
      description: Its domain type, V(kvm) for one.
      returned: when it exists, with V(spec)
      type: str
    protected:
      description: Whether it is guarded against deletion.
      returned: when it exists, with V(spec)
      type: bool
    template:
      description: Whether it is a template, upon which linked clones are built.
      returned: when it exists, with V(spec)
      type: bool
    ip_address:
      description: The first of RV(vms[].addresses); none without V(addresses).
      returned: when it exists, with V(spec)
      type: str
    ip_source:
      description: Who knows that address.
      returned: when it exists, with V(spec)
      type: str
    mac_address:
      description: The address of its first network card.
      returned: when it exists, with V(spec)
      type: str
    vnc_port:
      description: The port of its VNC display while it runs.
      returned: when it exists, with V(spec)
      type: int
    os_type:
      description: The family of the guest's system, where its record says so.
      returned: when it exists, with V(spec)
      type: str
    os_version:
      description: The guest's system in words, where its record says so.
      returned: when it exists, with V(spec)
      type: str
    description:
      description: What it is for, where its record says so.
      returned: when it exists, with V(spec)
      type: str
    tags:
      description: Its labels.
      returned: when it exists, with V(spec)
      type: list
      elements: str
    machine:
      description: Its machine type.
      returned: when it exists, with V(spec)
      type: str
    graphics:
      description: Its displays, as they run, or as they start next. A port that is any free one is none while it is off.
      returned: when it exists, with V(spec)
      type: list
      elements: dict
      contains:
        type:
          description: V(vnc), V(spice) or another of libvirt's.
          returned: always
          type: str
        listen:
          description: The host's address at which it listens.
          returned: always
          type: str
        port:
          description: Its TCP port.
          returned: always
          type: int
    metadata:
      description: What is kept with it for a site's own use.
      returned: when it exists, with V(spec)
      type: dict
    managed:
      description: Whether it carries a record of Hostler's.
      returned: when it exists, with V(spec)
      type: bool
    disks:
      description: Its disks and drives.
      returned: when it exists, with V(spec)
      type: list
      elements: dict
      contains:
        target:
          description: Its name on the bus.
          returned: always
          type: str
        device:
          description: V(disk), V(cdrom), V(floppy) or V(lun).
          returned: always
          type: str
        path:
          description: Its file or device on the host; none for an empty drive, a network's disk and a volume named by its pool.
          returned: always
          type: str
        format:
          description: Its format, V(qcow2) for one.
          returned: always
          type: str
        size:
          description: Its virtual size in bytes; none where the host can't tell.
          returned: always
          type: int
    nics:
      description: Its network cards.
      returned: when it exists, with V(spec)
      type: list
      elements: dict
      contains:
        type:
          description: What it is plugged into, V(network), V(bridge), V(user) and so on.
          returned: always
          type: str
        source:
          description: The name of that network or bridge.
          returned: always
          type: str
        mac_address:
          description: Its address.
          returned: always
          type: str
        model:
          description: What the guest takes it for.
          returned: always
          type: str
    addresses:
      description:
        - At which its guest can be reached, the best first; none of one that is off. Loopback and link-local ones are left out.
        - What the guest agent says comes first, then the newest valid DHCP leases of libvirt's, then the host's ARP table.
      returned: when it exists, with V(addresses)
      type: list
      elements: dict
      contains:
        address:
          description: The address, without its prefix length.
          returned: always
          type: str
        family:
          description: V(ipv4) or V(ipv6).
          returned: always
          type: str
        mac_address:
          description: The card's address.
          returned: always
          type: str
        source:
          description: Who knows it, the best of V(agent), V(lease) and V(arp).
          returned: always
          type: str
    statistics:
      description: What it has used since it was started; none of one that is off. What nobody could tell is none in it.
      returned: when it exists, with V(statistics)
      type: dict
      contains:
        cpu_seconds:
          description: Processor time.
          returned: always
          type: float
        memory:
          description: Memory in KiB.
          returned: always
          type: dict
          contains:
            current_kib:
              description: What the guest has.
              returned: always
              type: int
            resident_kib:
              description: What the host gives it.
              returned: always
              type: int
            available_kib:
              description: What the guest sees.
              returned: always
              type: int
            unused_kib:
              description: What the guest leaves free.
              returned: always
              type: int
        disks:
          description: The traffic of its disks and drives.
          returned: always
          type: list
          elements: dict
          contains:
            target:
              description: Its name on the bus.
              returned: always
              type: str
            read_bytes:
              description: Bytes read.
              returned: always
              type: int
            read_requests:
              description: Reads.
              returned: always
              type: int
            written_bytes:
              description: Bytes written.
              returned: always
              type: int
            write_requests:
              description: Writes.
              returned: always
              type: int
            allocated_bytes:
              description: The space that it takes on the host.
              returned: always
              type: int
        nics:
          description: The traffic of its network cards, as the host counts it.
          returned: always
          type: list
          elements: dict
          contains:
            device:
              description: The card's other end on the host.
              returned: always
              type: str
            mac_address:
              description: Its address.
              returned: always
              type: str
            received_bytes:
              description: Bytes received.
              returned: always
              type: int
            received_packets:
              description: Packets received.
              returned: always
              type: int
            received_errors:
              description: Packets received with errors.
              returned: always
              type: int
            received_drops:
              description: Packets dropped when they were received.
              returned: always
              type: int
            sent_bytes:
              description: Bytes sent.
              returned: always
              type: int
            sent_packets:
              description: Packets sent.
              returned: always
              type: int
            sent_errors:
              description: Packets sent with errors.
              returned: always
              type: int
            sent_drops:
              description: Packets dropped when they were sent.
              returned: always
              type: int
    xml:
      description: Its definition as libvirt's XML, as it runs, or, of one that is off, as it starts next; without passwords.
      returned: when it exists, with V(xml)
      type: str
  sample:
    - exists: true
      name: web-server-01
      uuid: 12345678-1234-1234-1234-123456789012
      status: running
      ip_address: 192.168.122.100
    - exists: false
      name: web-server-02
code:
  description: What went wrong, as a word for programs that stays the same.
  returned: failure
  type: str
  sample: host_unreachable
field:
  description: The option that caused it, where one did.
  returned: failure
  type: str
  sample: uuid.0
"""

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.gather import (
    DEFAULT_PARTS,
    PARTS,
    Inquiry,
    gather,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostlerError
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.library import LIBVIRT_IMPORT_ERROR
from ansible_collections.hostler.libvirt.plugins.module_utils.options import (
    CONNECTION_OPTIONS,
    SELECTION_OPTIONS,
    host_uri,
    selection_from,
)


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(
            gather=dict(type="list", elements="str", choices=list(PARTS), default=list(DEFAULT_PARTS)),
            timeout=dict(type="int", default=Inquiry.timeout),
            **CONNECTION_OPTIONS,
            **SELECTION_OPTIONS,
        ),
        supports_check_mode=True,
    )
    if LIBVIRT_IMPORT_ERROR is not None:
        module.fail_json(msg=missing_required_lib("libvirt-python"), exception=LIBVIRT_IMPORT_ERROR)
    params = module.params
    inquiry = Inquiry(selection_from(params), tuple(params["gather"]), params["timeout"])
    try:
        with Hypervisor.open(host_uri(params)) as hypervisor:
            vms = gather(hypervisor, inquiry)
    except HostlerError as error:
        module.fail_json(msg=error.message, code=error.code, field=error.field)
    module.exit_json(changed=False, vms=vms)


if __name__ == "__main__":
    main()
