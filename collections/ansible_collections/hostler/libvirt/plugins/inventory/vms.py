# Copyright: Hostler contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
name: vms
short_description: The virtual machines of one or many libvirt hosts
version_added: 0.1.0
description:
  - Makes hosts of the VMs of libvirt hosts, with what is known of each VM, and with an address at which it is reached.
  - All libvirt hosts are read at once, each in a process of its own. One that can't be reached, or hangs, is a warning, and
    its VMs are missing; it never takes longer than O(timeout) and O(guest_timeout) together.
  - What VMs say of themselves (names, tags, descriptions and so on) is data and never a template, whoever wrote it. In names
    of hosts whatever is no letter, digit, C(.), C(-) or C(_) becomes a C(_), and so it does in names of groups, where C(.)
    and C(-) become one, too.
  - The name of the configuration has to end in C(hostler.yml), C(hostler.yaml), C(vms.yml) or C(vms.yaml).
extends_documentation_fragment:
  - hostler.libvirt.selection
  - hostler.libvirt.vm_inventory
  - ansible.builtin.constructed
  - ansible.builtin.inventory_cache
requirements:
  - libvirt-python
options:
  plugin:
    description: The plugin whose configuration this is.
    type: str
    required: true
    choices: [hostler.libvirt.vms]
  hypervisors:
    description:
      - The libvirt hosts. Each is a connection URI, such as C(qemu+ssh://root@kvm1.example.com/system), or a mapping.
      - Where it is left out, the one of the environment variable E(LIBVIRT_DEFAULT_URI); where that is empty, too, libvirt's
        own default.
      - The mapping's C(uri) is needed. Its C(name), by which the host is called here, is that of the URI where it is left
        out, and C(local) where the URI has none; no two hosts have the same. Its C(vars) are variables for all VMs of
        the host. They win over those that the plugin makes, may be templates, and are never cached.
    type: list
    elements: raw
  status:
    description: Only VMs that are one of these.
    type: list
    elements: str
    choices: [running, paused, suspended, stopping, stopped, saved, crashed, creating, unknown]
  connection:
    description:
      - How the VMs are reached.
      - V(ssh) sets C(ansible_host) where an address is known, and nothing else.
      - V(guest_agent) sets C(ansible_connection) to P(hostler.libvirt.guest_agent#connection), besides.
      - That connection finds the VM by C(hostler_uri) and C(hostler_uuid), which are always set, so that a play can choose it,
        too.
    type: str
    choices: [ssh, guest_agent]
    default: ssh
  address_sources:
    description:
      - Who is asked for a VM's address. The first that knows one which will do is believed, and the others are not asked.
      - V(lease) is the DHCP of libvirt's networks, V(agent) the guest's agent, V(arp) the ARP table of the libvirt host.
      - Only VMs that run have an address. With an empty list nobody is asked.
    type: list
    elements: str
    choices: [lease, agent, arp]
    default: [lease, agent, arp]
  address_families:
    description: Which addresses will do; the first is preferred.
    type: list
    elements: str
    choices: [ipv4, ipv6]
    default: [ipv4, ipv6]
  address_networks:
    description:
      - Only addresses of these networks will do; the first is preferred. Any will where it is left out.
      - Each is a subnet, such as V(192.168.122.0/24), or the name of the libvirt network or bridge that the VM's card is on.
    type: list
    elements: str
  address_cards:
    description:
      - Only addresses of these network cards of the VM will do; the first is preferred. V(0) is a VM's first card.
      - Where it is left out, those of all cards will do.
    type: list
    elements: int
  timeout:
    description: How many seconds a libvirt host may take, without its guests.
    type: int
    default: 30
  guest_timeout:
    description: How many seconds the agents of a libvirt host's guests may take in all. Those that are not asked by then are not.
    type: int
    default: 10
  parallel:
    description: How many libvirt hosts are read at a time.
    type: int
    default: 20
  fail_on_unreachable:
    description:
      - Whether it is an error where a libvirt host can't be read; none of the VMs is in the inventory then.
      - Ansible goes on without an inventory that has an error, unless it is told not to by its setting
        C(INVENTORY_ANY_UNPARSED_IS_FAILED).
    type: bool
    default: false
notes:
  - Each host has the variables C(hostler_host), which is its libvirt host's name, C(hostler_uri), C(hostler_uuid), and
    C(hostler_vm) with the VM's C(name), C(status), C(tags), C(metadata), C(description), C(os_type), C(os_version),
    C(cpu_cores), C(memory_mb), C(nics), C(ip_address), C(ip_source) and so on, as M(hostler.libvirt.vm_info) has them, but for
    disks and displays. Of a VM whose definition can't be read C(hostler_vm) has little more than C(unreadable), the reason.
  - The cache holds what libvirt hosts have told, each for itself; one that could not be reached is asked again.
  - The file is of a kind that AWX takes for no playbook, as it has no key C(hosts).
seealso:
  - plugin: hostler.libvirt.hostler
    plugin_type: inventory
  - plugin: hostler.libvirt.guest_agent
    plugin_type: connection
  - module: hostler.libvirt.vm_info
author:
  - Hostler contributors (@hostler)
"""

EXAMPLES = r"""
# All VMs of this machine's libvirt, in a file vms.yml
plugin: hostler.libvirt.vms
---
# The production VMs of two hosts that run, by tag and by system, in a file production.hostler.yml
plugin: hostler.libvirt.vms
hypervisors:
  - qemu+tls://kvm1.example.com/system
  - uri: qemu+ssh://root@kvm2.example.com/system
    name: kvm2
    vars:
      ansible_user: deploy
status: [running]
tags: [production]
address_networks: [192.168.122.0/24, br0]
group_by: [host, tag]
keyed_groups:
  - key: hostler_vm.os_type
    prefix: os
compose:
  datacenter: hostler_vm.metadata.datacenter | default('fra')
groups:
  large: hostler_vm.memory_mb >= 16384
cache: true
cache_plugin: ansible.builtin.jsonfile
cache_connection: ~/.cache/ansible-vms
cache_timeout: 300
---
# VMs without a network that Ansible could use, reached by their agents
plugin: hostler.libvirt.vms
pattern: ["isolated-*"]
status: [running]
address_sources: []
connection: guest_agent
"""

import json
import os
from dataclasses import asdict
from functools import partial
from typing import Any, Dict, List, Optional, Sequence

from ansible.errors import AnsibleError, AnsibleParserError

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.inventory import (
    Listing,
    list_vms,
    validate_listing,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.address_wish import AddressWish
from ansible_collections.hostler.libvirt.plugins.module_utils.apart import run_apart
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import InvalidSpec
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.library import LIBVIRT_IMPORT_ERROR
from ansible_collections.hostler.libvirt.plugins.module_utils.inventory_host import InventoryHost, inventory_hosts
from ansible_collections.hostler.libvirt.plugins.module_utils.selection import Selection
from ansible_collections.hostler.libvirt.plugins.plugin_utils.vm_inventory import (
    FoundVm,
    Vm,
    VmInventory,
    answer_of,
    mark_of,
    vms_of,
)

_FILES = ("hostler.yml", "hostler.yaml", "vms.yml", "vms.yaml")


class InventoryModule(VmInventory):
    """The VMs of libvirt hosts as hosts of an inventory."""

    NAME = "hostler.libvirt.vms"

    def verify_file(self, path: str) -> bool:
        """Whether the file is called as a configuration of this plugin is."""
        return super().verify_file(path) and path.endswith(_FILES)

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        """Fill the inventory. Raises AnsibleError for a configuration that can't be, before any host is asked."""
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        if LIBVIRT_IMPORT_ERROR is not None:
            raise AnsibleError("The Python that runs Ansible lacks libvirt-python")
        try:
            self._require_positive("timeout", "guest_timeout", "parallel")
            default = os.environ.get("LIBVIRT_DEFAULT_URI") or None
            hosts = inventory_hosts(self.get_option("hypervisors"), default)
            listing = self._listing()
            validate_listing(listing)
        except InvalidSpec as error:
            raise AnsibleParserError(error.message) from error
        vms = self._read(hosts, listing, path, cache)
        self._populate(
            [FoundVm(host.name, host.uri or "", vm, host.vars) for host in hosts for vm in vms.get(host.name, ())]
        )

    def _listing(self) -> Listing:
        return Listing(
            selection=Selection(**{option: self._texts(option) for option in ("name", "uuid", "pattern")}),
            statuses=self._texts("status"),
            tags=self._texts("tags") or (),
            addresses=AddressWish(
                sources=self._texts("address_sources") or (),
                families=self._texts("address_families") or (),
                networks=self._texts("address_networks"),
                cards=None if self.get_option("address_cards") is None else tuple(self.get_option("address_cards")),
            ),
            guest_timeout=self.get_option("guest_timeout"),
        )

    def _read(self, hosts: Sequence[InventoryHost], listing: Listing, path: str, cache: bool) -> Dict[str, List[Vm]]:
        """The VMs of each host by its name: from the cache, else from the host; none of one that can't be read."""
        kept = self._kept(path, cache)
        marks = {host.name: mark_of([host.uri, asdict(listing)]) for host in hosts}
        missing = [host for host in hosts if marks[host.name] not in kept]
        outcomes = run_apart(
            [partial(_vms_of, host.uri, listing, self.get_option("timeout")) for host in missing],
            self.get_option("timeout") + self.get_option("guest_timeout"),
            self.get_option("parallel"),
        )
        for host, outcome in zip(missing, outcomes):
            if outcome.error is None:
                kept[marks[host.name]] = answer_of(outcome.answer)
            elif self.get_option("fail_on_unreachable"):
                raise AnsibleError(f"{host.name}: {outcome.error}")
            else:
                self.display.warning(f"{host.name}: {outcome.error}; its VMs are missing from the inventory")
        kept = {mark: kept[mark] for mark in marks.values() if mark in kept}
        if missing:
            self._keep(path, kept)
        return {host.name: vms_of(kept[marks[host.name]]) for host in hosts if marks[host.name] in kept}


def _vms_of(uri: Optional[str], listing: Listing, timeout: float) -> str:
    with Hypervisor.open(uri, timeout) as hypervisor:
        # as text: what many hosts tell is made into that by their own processes, and is read once by ours
        return json.dumps(list_vms(hypervisor, listing))
