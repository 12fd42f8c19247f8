#!/usr/bin/python
# Copyright: Hostler contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: host_info
short_description: What a libvirt host has, what of it is used, and what it can do
version_added: 0.1.0
description:
  - Tells of a host's processors and memory, what of them is used and what its VMs take, what guests can have, whether KVM
    really works, its storage pools, networks and devices.
  - A part of the host that does not answer, such as a storage pool whose server is gone, keeps nobody waiting for longer than
    O(timeout), and spoils no other part. RV(unreadable) says so.
extends_documentation_fragment:
  - hostler.libvirt.connection
  - hostler.libvirt.connection.attributes
attributes:
  diff_mode:
    support: N/A
    details: Nothing is ever changed.
options:
  gather:
    description:
      - What is told beside what the host runs.
      - V(accelerator) is whether KVM really works. A guest without disks is started for that, which takes about a second, and 10
        where it hangs. Nothing is left of it.
      - V(devices) takes a call to libvirt for each device.
      - An empty list is the quickest.
    type: list
    elements: str
    choices: [capacity, use, capabilities, accelerator, pools, networks, devices]
    default: [capacity, use, capabilities, pools, networks]
  timeout:
    description: How many seconds each part may take, at least 1. V(accelerator) may take 60 in any case.
    type: float
    default: 30
notes:
  - Calls to libvirt beside those that connect, twice where anything is gathered; 5 for what the host runs, 4 for V(capacity) and
    1 for each NUMA cell if there are several, 6 and 1 for each VM for V(use), 2 for V(capabilities), 1 and 4 for each pool for
    V(pools), 4 and 1 for each network for V(networks), 1 and 1 for each device for V(devices).
  - V(use) watches the processors for a quarter of a second.
seealso:
  - module: hostler.libvirt.vm_info
  - module: hostler.libvirt.network_info
author:
  - Hostler contributors (@hostler)
"""

EXAMPLES = r"""
- name: What the host has, uses and can do
  hostler.libvirt.host_info:
  register: host

- name: Whether another VM of 1 GiB fits into its memory
  ansible.builtin.assert:
    that: host.use.memory_available_mb > 1024

- name: Which domain type really runs guests
  hostler.libvirt.host_info:
    gather:
      - accelerator
  register: tried

- name: Tell it
  ansible.builtin.debug:
    msg: "{{ tried.accelerator.virt_type }}: {{ tried.accelerator.reason }}"

- name: The devices that can be given to guests
  hostler.libvirt.host_info:
    gather:
      - devices
"""

RETURN = r"""
hostname:
  description: What the host calls itself.
  returned: success
  type: str
  sample: host1.example.com
uri:
  description: The URI of the libvirt that was asked.
  returned: success
  type: str
  sample: qemu:///system
uuid:
  description: The host's UUID, none where its driver has none.
  returned: success
  type: str
  sample: 12345678-1234-1234-1234-123456789012
driver:
  description: libvirt's name for what runs the guests.
  returned: success
  type: str
  sample: QEMU
libvirt_version:
  description: The version of its libvirt.
  returned: success
  type: str
  sample: 9.0.0
hypervisor_version:
  description: The version of its QEMU, none of libvirt's test driver.
  returned: success
  type: str
  sample: 7.2.22
capacity:
  description: Its processors and memory.
  returned: with V(capacity)
  type: dict
  contains:
    cpus:
      description: Logical processors.
      returned: always
      type: int
    memory_mb:
      description: Memory in MiB.
      returned: always
      type: int
    processor:
      description: What is known of the processor; the rest is none.
      returned: always
      type: dict
      contains:
        arch:
          description: The architecture.
          returned: always
          type: str
        model:
          description: The model that libvirt knows it as.
          returned: always
          type: str
        vendor:
          description: Who made it.
          returned: always
          type: str
        sockets:
          description: Sockets in each NUMA cell.
          returned: always
          type: int
        dies:
          description: Dies in each socket.
          returned: always
          type: int
        cores:
          description: Cores in each die.
          returned: always
          type: int
        threads:
          description: Threads in each core.
          returned: always
          type: int
    numa:
      description: Its NUMA cells.
      returned: always
      type: list
      elements: dict
      contains:
        id:
          description: The cell's number.
          returned: always
          type: int
        memory_mb:
          description: Its memory in MiB.
          returned: always
          type: int
        cpus:
          description: The numbers of its logical processors.
          returned: always
          type: list
          elements: int
        hugepages:
          description: Its hugepages, as in RV(capacity.hugepages).
          returned: always
          type: list
          elements: dict
    hugepages:
      description: The hugepages of all cells together, by size.
      returned: always
      type: list
      elements: dict
      contains:
        size_kb:
          description: The size of one in KiB.
          returned: always
          type: int
        total:
          description: How many are set aside.
          returned: always
          type: int
        free:
          description: How many of these nobody uses; none where nobody can tell.
          returned: always
          type: int
use:
  description: What of them is used.
  returned: with V(use)
  type: dict
  contains:
    memory_free_mb:
      description: Memory that nothing is in, in MiB.
      returned: always
      type: int
    memory_available_mb:
      description: The same with what the host only caches; none where nobody can tell.
      returned: always
      type: int
    cpu_busy_percent:
      description: How much of all processors' time is used now; none where nobody can tell.
      returned: always
      type: float
    vms:
      description: What all VMs would take if they ran.
      returned: always
      type: dict
      contains:
        count:
          description: How many there are.
          returned: always
          type: int
        cpu_cores:
          description: Their virtual CPUs together.
          returned: always
          type: int
        memory_mb:
          description: Their memory together in MiB, as much as they may have.
          returned: always
          type: int
    vms_running:
      description: What those of them take that run or are paused, as in RV(use.vms).
      returned: always
      type: dict
capabilities:
  description: What guests can have.
  returned: with V(capabilities)
  type: dict
  contains:
    guests:
      description: The architectures of guests. That C(kvm) is among the types of one is no proof that it works.
      returned: always
      type: list
      elements: dict
      contains:
        arch:
          description: The architecture.
          returned: always
          type: str
        virt_types:
          description: The domain types that libvirt offers.
          returned: always
          type: list
          elements: str
        emulator:
          description: The program that runs them.
          returned: always
          type: str
        machines:
          description: The machine types, and the short names that some have.
          returned: always
          type: list
          elements: str
    iommu:
      description: Whether devices of the host can be isolated for guests; none where nobody can tell.
      returned: always
      type: bool
    x86_64:
      description: What guests of that architecture with machine type C(q35) can have; none where nobody can tell.
      returned: always
      type: dict
      contains:
        machine:
          description: The machine type in full.
          returned: always
          type: str
        virt_type:
          description: The domain type that this is about, C(kvm) where it is offered.
          returned: always
          type: str
        max_vcpus:
          description: The most virtual CPUs.
          returned: always
          type: int
        uefi:
          description: Whether they can have UEFI firmware.
          returned: always
          type: bool
        secure_boot:
          description: Whether that can enforce secure boot.
          returned: always
          type: bool
        tpm:
          description: Whether they can have an emulated TPM.
          returned: always
          type: bool
        spice:
          description: Whether they can have SPICE displays.
          returned: always
          type: bool
        virtiofs:
          description: Whether QEMU knows virtiofs. It needs virtiofsd besides.
          returned: always
          type: bool
        pci_passthrough:
          description: Whether they can be given PCI devices of the host.
          returned: always
          type: bool
        host_passthrough:
          description: Whether they can have the host's processor as it is.
          returned: always
          type: bool
        host_model:
          description: The model that is next to the host's processor.
          returned: always
          type: str
        cpu_models:
          description: All models that they can have.
          returned: always
          type: list
          elements: str
accelerator:
  description: Which domain type really runs guests.
  returned: with V(accelerator)
  type: dict
  contains:
    virt_type:
      description: V(kvm), or V(qemu), which is plain emulation.
      returned: always
      type: str
    proved:
      description: Whether a guest has shown it, or there is no other.
      returned: always
      type: bool
    reason:
      description: Why, for people.
      returned: always
      type: str
  sample:
    virt_type: kvm
    proved: true
    reason: a guest ran under KVM
pools:
  description: Its storage pools, in the order of their names.
  returned: with V(pools)
  type: list
  elements: dict
  contains:
    name:
      description: The pool's name.
      returned: always
      type: str
    state:
      description: V(active) or V(inactive).
      returned: always
      type: str
    autostart:
      description: Whether it starts with the host.
      returned: always
      type: bool
    type:
      description: What it is, as in V(dir).
      returned: always
      type: str
    path:
      description: Where it is on the host, if it is anywhere there.
      returned: always
      type: str
    capacity_gb:
      description: What it can hold in GiB; none of one that is not active.
      returned: always
      type: float
    available_gb:
      description: What is free of that.
      returned: always
      type: float
networks:
  description: Its networks, in the order of their names. M(hostler.libvirt.network_info) tells more.
  returned: with V(networks)
  type: list
  elements: dict
  contains:
    name:
      description: The network's name.
      returned: always
      type: str
    state:
      description: V(active) or V(inactive).
      returned: always
      type: str
    autostart:
      description: Whether it starts with the host.
      returned: always
      type: bool
    mode:
      description: Where its traffic goes, as O(hostler.libvirt.network#module:forward.mode).
      returned: always
      type: str
    bridge:
      description: Its bridge, if it has one.
      returned: always
      type: str
devices:
  description: Its devices that concern guests.
  returned: with V(devices)
  type: dict
  contains:
    pci:
      description: PCI devices, in the order of their addresses.
      returned: always
      type: list
      elements: dict
      contains:
        address:
          description: Where it is, as O(hostler.libvirt.vm#module:devices[].address) takes it.
          returned: always
          type: str
        class:
          description: Its PCI class.
          returned: always
          type: str
        vendor_id:
          description: The maker's number.
          returned: always
          type: str
        vendor:
          description: The maker, where the host knows its name.
          returned: always
          type: str
        product_id:
          description: The maker's number for it.
          returned: always
          type: str
        product:
          description: Its name, where the host knows it.
          returned: always
          type: str
        driver:
          description: The host's driver for it.
          returned: always
          type: str
        iommu_group:
          description: The group with which it can be given to a guest; none where the host has no IOMMU.
          returned: always
          type: int
        numa_cell:
          description: The NUMA cell that it is next to.
          returned: always
          type: int
        gpu:
          description: Whether it is a graphics card.
          returned: always
          type: bool
        virtual_functions:
          description: How many virtual functions it can have, if it is an SR-IOV card.
          returned: always
          type: int
        physical_function:
          description: The address of the card that it is a virtual function of.
          returned: always
          type: str
    usb:
      description: USB devices, named as for PCI, with C(bus) and C(device) as O(hostler.libvirt.vm#module:devices) takes them.
      returned: always
      type: list
      elements: dict
    mediated:
      description:
        - Mediated devices. One with a C(uuid) is there; one without says what can be made of C(parent) (C(type), C(name)), and how
          many more (C(available)).
      returned: always
      type: list
      elements: dict
    interfaces:
      description:
        - Network interfaces, with C(name), C(mac_address), C(link), C(speed_mbit) and C(device) (the address of the PCI device), in
          the order of their names.
      returned: always
      type: list
      elements: dict
unreadable:
  description: Why a part could not be read, by its name; that part is none then.
  returned: success
  type: dict
  sample: {}
code:
  description: What went wrong, as a word for programs that stays the same.
  returned: failure
  type: str
  sample: host_unreachable
field:
  description: The option that caused it, where one did.
  returned: failure
  type: str
  sample: timeout
"""

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.gather_host import (
    DEFAULT_PARTS,
    PARTS,
    HostInquiry,
    gather_host,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostlerError
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.library import LIBVIRT_IMPORT_ERROR
from ansible_collections.hostler.libvirt.plugins.module_utils.options import CONNECTION_OPTIONS, host_uri


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(
            gather=dict(type="list", elements="str", choices=list(PARTS), default=list(DEFAULT_PARTS)),
            timeout=dict(type="float", default=HostInquiry.timeout),
            **CONNECTION_OPTIONS,
        ),
        supports_check_mode=True,
    )
    if LIBVIRT_IMPORT_ERROR is not None:
        module.fail_json(msg=missing_required_lib("libvirt-python"), exception=LIBVIRT_IMPORT_ERROR)
    params = module.params
    inquiry = HostInquiry(tuple(params["gather"]), params["timeout"])
    try:
        with Hypervisor.open(host_uri(params)) as hypervisor:
            found = gather_host(hypervisor, inquiry)
    except HostlerError as error:
        module.fail_json(msg=error.message, code=error.code, field=error.field)
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
