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
  hostnames:
    description:
      - What the VMs are called in the inventory, V(name), V(uuid), or V(name_host), which is the VM's name, C(_) and its
        libvirt host's name.
      - VMs that would be called the same are all called by their name (or UUID) and their libvirt host, and a warning says so.
        So is a VM called C(localhost), as nobody else's machine should be taken for this one.
    type: str
    choices: [name, uuid, name_host]
    default: name
  status:
    description: Only VMs that are one of these.
    type: list
    elements: str
    choices: [running, paused, suspended, stopping, stopped, saved, crashed, creating, unknown]
  tags:
    description: Only VMs that have all of these tags.
    type: list
    elements: str
    default: []
  group_by:
    description:
      - Groups to be made, V(host) for C(host_NAME) of each libvirt host, V(status) for C(status_STATUS), V(tag) for C(tag_TAG).
      - For others, and other names, there are O(keyed_groups) and O(groups).
    type: list
    elements: str
    choices: [host, status, tag]
    default: []
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

import hashlib
import json
import os
import time
from dataclasses import asdict
from functools import partial
from typing import Any, Dict, List, Optional, Sequence, Tuple

from ansible.errors import AnsibleError, AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable
from ansible.utils.unsafe_proxy import wrap_var

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
from ansible_collections.hostler.libvirt.plugins.module_utils.inventory_name import Named, inventory_names
from ansible_collections.hostler.libvirt.plugins.module_utils.selection import Selection

# Ansible before 2.19 takes any text for a template that is not marked as none; since then it is the other way round
_TRUSTS_ALL = hasattr(wrap_var(""), "__UNSAFE__")

_FILES = ("hostler.yml", "hostler.yaml", "vms.yml", "vms.yaml")


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):
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
        self._populate(hosts, self._read(hosts, listing, path, cache))

    def _require_positive(self, *options: str) -> None:
        for option in options:
            if self.get_option(option) < 1:
                raise AnsibleParserError(f"{option}: must be at least 1")

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

    def _texts(self, option: str) -> Optional[Tuple[str, ...]]:
        given = self.get_option(option)
        # plain ones: what Ansible knows of them besides can't be written into a cache
        return None if given is None else tuple(str(one) for one in given)

    def _read(
        self, hosts: Sequence[InventoryHost], listing: Listing, path: str, cache: bool
    ) -> Dict[str, List[Dict[str, Any]]]:
        """The VMs of each host by its name: from the cache, else from the host; none of one that can't be read."""
        keeps = self.get_option("cache")
        key = self.get_cache_key(path)
        kept = self._kept(key) if keeps and cache else {}
        marks = {host.name: _mark(host, listing) for host in hosts}
        missing = [host for host in hosts if marks[host.name] not in kept]
        outcomes = run_apart(
            [partial(_vms_of, host.uri, listing, self.get_option("timeout")) for host in missing],
            self.get_option("timeout") + self.get_option("guest_timeout"),
            self.get_option("parallel"),
        )
        for host, outcome in zip(missing, outcomes):
            if outcome.error is None:
                # one text: Ansible's caches look at each value of what they read, for what only Ansible writes there
                kept[marks[host.name]] = {"at": time.time(), "vms": json.dumps(outcome.answer)}
            elif self.get_option("fail_on_unreachable"):
                raise AnsibleError(f"{host.name}: {outcome.error}")
            else:
                self.display.warning(f"{host.name}: {outcome.error}; its VMs are missing from the inventory")
        kept = {mark: kept[mark] for mark in marks.values() if mark in kept}
        if keeps and missing:
            self._cache[key] = kept
        return {host.name: json.loads(kept[marks[host.name]]["vms"]) for host in hosts if marks[host.name] in kept}

    def _kept(self, key: str) -> Dict[str, Any]:
        try:
            kept = self._cache[key]
        except KeyError:
            return {}
        # hosts are read at other times than the whole is written
        lifetime = self.get_option("cache_timeout")
        oldest = time.time() - lifetime if lifetime else 0
        return {mark: one for mark, one in kept.items() if one["at"] >= oldest}

    def _populate(self, hosts: Sequence[InventoryHost], vms: Dict[str, List[Dict[str, Any]]]) -> None:
        found = [(host, vm) for host in hosts for vm in vms.get(host.name, ())]
        named = inventory_names(
            [Named(host.name, vm["name"], vm["uuid"]) for host, vm in found], self.get_option("hostnames")
        )
        for clash in named.clashes:
            self.display.warning(
                f"No VM alone can be called {clash.name} in the inventory; called instead: {', '.join(clash.instead)}"
            )
        for name, (host, vm) in zip(named.names, found):
            self.inventory.add_host(name)
            # not by the inventory, which would look at each value of thousands of VMs to note that it is from here
            entry = self.inventory.get_host(name)
            for variable, value in self._variables(host, vm).items():
                entry.set_variable(variable, value)
            self._group(name, host, vm)

    def _variables(self, host: InventoryHost, vm: Dict[str, Any]) -> Dict[str, Any]:
        told = {
            "hostler_host": host.name,
            "hostler_uri": host.uri or "",
            "hostler_uuid": vm["uuid"],
            "hostler_vm": vm,
        }
        if vm["ip_address"] is not None:
            told["ansible_host"] = vm["ip_address"]
        if self.get_option("connection") == "guest_agent":
            told["ansible_connection"] = "hostler.libvirt.guest_agent"
        return {**(wrap_var(told) if _TRUSTS_ALL else told), **host.vars}

    def _group(self, name: str, host: InventoryHost, vm: Dict[str, Any]) -> None:
        kinds = self.get_option("group_by")
        groups = [f"host_{host.name}"] if "host" in kinds else []
        groups += [f"status_{vm['status']}"] if "status" in kinds else []
        groups += [f"tag_{tag}" for tag in vm["tags"]] if "tag" in kinds else []
        for group in groups:
            self.inventory.add_child(self.inventory.add_group(self._sanitize_group_name(group)), name)
        strict = self.get_option("strict")
        variables = self.inventory.get_host(name).get_vars()
        self._set_composite_vars(self.get_option("compose"), variables, name, strict=strict)
        self._add_host_to_composed_groups(self.get_option("groups"), {}, name, strict=strict)
        self._add_host_to_keyed_groups(self.get_option("keyed_groups"), {}, name, strict=strict)


def _vms_of(uri: Optional[str], listing: Listing, timeout: float) -> List[Dict[str, Any]]:
    with Hypervisor.open(uri, timeout) as hypervisor:
        return list_vms(hypervisor, listing)


def _mark(host: InventoryHost, listing: Listing) -> str:
    """What a host's part of the cache is kept under: another URI or another question has another answer."""
    asked = json.dumps([host.uri, asdict(listing)], sort_keys=True)
    return hashlib.sha256(asked.encode()).hexdigest()
