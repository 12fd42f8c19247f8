# Copyright: Hostler contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
name: hostler
short_description: The virtual machines that a Hostler service knows
version_added: 0.1.0
description:
  - Makes hosts of the VMs of a Hostler service, by its REST API. It asks the service alone, and neither libvirt hosts nor guests.
  - A request brings a hundred VMs. One that is made or deleted meanwhile has none of the others missed or counted twice.
  - A service that can't be asked is an error, as no VM at all would look like an answer. As long as the cache is valid, the service
    need not be there.
  - What VMs say of themselves (names, tags, descriptions and so on) is data and never a template, whoever wrote it. In names
    of hosts whatever is no letter, digit, C(.), C(-) or C(_) becomes a C(_), and so it does in names of groups, where C(.)
    and C(-) become one, too.
  - The name of the configuration has to end in C(hostler_service.yml) or C(hostler_service.yaml); C(hostler.yml) is one of
    P(hostler.libvirt.vms#inventory), which asks the libvirt hosts themselves.
extends_documentation_fragment:
  - hostler.libvirt.vm_inventory
  - ansible.builtin.constructed
  - ansible.builtin.inventory_cache
options:
  plugin:
    description: The plugin whose configuration this is.
    type: str
    required: true
    choices: [hostler.libvirt.hostler]
  url:
    description:
      - Where the service is, such as V(https://hostler.example.com). It is needed, here or in the environment.
      - An empty text is the same as none, here, in the other options and in the environment, as AWX sets variables of what is
        left out of a credential.
    type: str
    env:
      - name: HOSTLER_URL
  token:
    description:
      - A token of the service that may C(read). It is needed, here or in the environment.
      - It is sent to O(url) only, and to no address that this leads to.
    type: str
    env:
      - name: HOSTLER_TOKEN
  ca_cert:
    description:
      - A file with the CA, or the CAs, that the service's certificate may be of, in place of those that the machine knows.
      - An empty file is the same as none, as AWX makes such a one of what is left out of a credential.
    type: str
    env:
      - name: HOSTLER_CA_CERT
  insecure:
    description: Whether any certificate will do. Whoever is between then gets the token.
    type: bool
    default: false
    env:
      - name: HOSTLER_INSECURE
  timeout:
    description: How many seconds the service may take to answer a request.
    type: int
    default: 30
  status:
    description: Only VMs that are one of these.
    type: list
    elements: str
    choices: [creating, running, paused, suspended, stopping, stopped, saved, crashed, deleting, error, unknown]
  servers:
    description: Only VMs of these servers, by the names that the service has for them. One that it does not know is an error.
    type: list
    elements: str
  os_types:
    description: Only VMs of one of these types of systems, such as V(linux).
    type: list
    elements: str
  search:
    description: Only VMs with this text in their names, in any case.
    type: str
  connection:
    description:
      - How the VMs are reached.
      - V(ssh) sets C(ansible_host) where an address is known, and nothing else.
      - V(guest_agent) sets C(ansible_connection) to P(hostler.libvirt.guest_agent#connection), besides.
      - That connection finds the VM by C(hostler_uuid), and by C(hostler_uri), which is how the service itself reaches the
        libvirt of the VM's server. Where that leads elsewhere from here, as C(qemu:///system) does, O(compose) sets another one.
    type: str
    choices: [ssh, guest_agent]
    default: ssh
notes:
  - Each host has the variables C(hostler_host), which is its server's name, C(hostler_uri), C(hostler_uuid), and C(hostler_vm)
    with the VM's C(id), C(name), C(uuid), C(status), C(tags), C(description), C(os_type), C(os_version), C(cpu_cores),
    C(memory_mb), C(disk_gb), C(ip_address), C(mac_address), C(vnc_port), C(autostart), C(protected), C(created_at) and
    C(updated_at), as the service has them.
  - The cache holds what the service has told, and not the token. Another URL, token or question is asked anew.
  - The file is of a kind that AWX takes for no playbook, as it has no key C(hosts). An inventory source of AWX does not offer
    it, and takes its path all the same.
seealso:
  - plugin: hostler.libvirt.vms
    plugin_type: inventory
  - plugin: hostler.libvirt.guest_agent
    plugin_type: connection
author:
  - Hostler contributors (@hostler)
"""

EXAMPLES = r"""
# All VMs of the service that HOSTLER_URL names, in a file hostler_service.yml
plugin: hostler.libvirt.hostler
---
# The production VMs that run, by server, tag and system, in a file production.hostler_service.yml
plugin: hostler.libvirt.hostler
url: https://hostler.example.com
ca_cert: /etc/ssl/example-ca.pem
status: [running]
tags: [production]
group_by: [host, os_type, tag]
compose:
  ansible_user: "'Administrator' if hostler_vm.os_type == 'windows' else 'deploy'"
groups:
  large: hostler_vm.memory_mb >= 16384
cache: true
cache_plugin: ansible.builtin.jsonfile
cache_connection: ~/.cache/ansible-hostler
cache_timeout: 300
---
# VMs reached by their agents, over the libvirt of their servers, to which the service itself has another way
plugin: hostler.libvirt.hostler
status: [running]
connection: guest_agent
compose:
  hostler_uri: "'qemu+ssh://root@' ~ hostler_host ~ '/system'"
"""

import ipaddress
import json
import uuid
from pathlib import Path
from typing import Any, Dict, List, Optional

from ansible.errors import AnsibleParserError

from ansible_collections.hostler.libvirt.plugins.plugin_utils.rest_service import NoAnswer, RestService
from ansible_collections.hostler.libvirt.plugins.plugin_utils.vm_inventory import (
    FoundVm,
    Vm,
    VmInventory,
    answer_of,
    mark_of,
    vms_of,
)

_FILES = ("hostler_service.yml", "hostler_service.yaml")


class InventoryModule(VmInventory):
    """The VMs of a Hostler service as hosts of an inventory."""

    NAME = "hostler.libvirt.hostler"

    def verify_file(self, path: str) -> bool:
        """Whether the file is called as a configuration of this plugin is."""
        return super().verify_file(path) and path.endswith(_FILES)

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        """Fill the inventory. Raises AnsibleParserError where the service can't be asked, in one sentence."""
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        self._require_positive("timeout")
        try:
            vms = self._read(path, cache)
        except NoAnswer as error:
            raise AnsibleParserError(str(error)) from None
        self._populate([FoundVm(vm.pop("server"), vm.pop("uri"), vm, {}) for vm in vms if self._is_wanted(vm)])

    def _read(self, path: str, cache: bool) -> List[Vm]:
        """The VMs that the service's own filters let through, from the cache or from the service."""
        token = self._text("token").strip()
        ca_cert = self._text("ca_cert")
        service = RestService(
            self._text("url"),
            token,
            str(Path(ca_cert).expanduser()) if ca_cert else None,
            self.get_option("insecure"),
            self.get_option("timeout"),
        )
        # of several, the service can be asked for one at a time only, and a VM may become another one of them meanwhile
        wanted = {
            "status": _only(self._texts("status")),
            "server": _only(self._texts("servers")),
            "os_type": _only(self._texts("os_types")),
            "search": self._text("search") or None,
        }
        mark = mark_of([service.url, token, wanted])
        kept = self._kept(path, cache)
        if mark not in kept:
            kept = {mark: answer_of(json.dumps(self._ask(service, wanted)))}
            self._keep(path, kept)
        return vms_of(kept[mark])

    def _ask(self, service: RestService, wanted: Dict[str, Optional[str]]) -> List[Vm]:
        query: Dict[str, Any] = {name: value for name, value in wanted.items() if value is not None}
        try:
            numbers = (
                {server["hostname"]: server["id"] for server in service.servers()} if self._texts("servers") else {}
            )
            for place, name in enumerate(self._texts("servers") or ()):
                if name not in numbers:
                    raise NoAnswer(f"servers.{place}: the service has no server '{name}'")
            if "server" in query:
                query["server_id"] = numbers[query.pop("server")]
            shown = list(service.vms(**query))
            # after the VMs: one may have come with them, and none goes as long as it has some
            uris = {server["id"]: server["libvirt_uri"] for server in service.servers()}
            return [_vm(one, uris) for one in shown]
        except (KeyError, TypeError, ValueError):
            raise NoAnswer(f"{service.url}: is no Hostler service: what it tells of a VM is not whole") from None

    def _is_wanted(self, vm: Vm) -> bool:
        """Whether all filters let it through; those that the service has applied change nothing."""
        asked = {"status": self._texts("status"), "server": self._texts("servers"), "os_type": self._texts("os_types")}
        tags = self._texts("tags") or ()
        return set(tags) <= set(vm["tags"]) and all(
            choice is None or vm[field] in choice for field, choice in asked.items()
        )

    def _text(self, option: str) -> str:
        return str(self.get_option(option) or "")


def _only(choice: Any) -> Optional[str]:
    return choice[0] if choice is not None and len(choice) == 1 else None


def _vm(shown: Dict[str, Any], uris: Dict[int, str]) -> Vm:
    """A VM of the API's list in one level, as `vm_info` tells it, with ``server`` and the ``uri`` of its libvirt."""
    vm = {name: value for name, value in shown.items() if name not in ("resources", "network")}
    vm.update(shown["resources"], **shown["network"])
    vm["server"] = shown["server"]["hostname"]
    vm["uri"] = uris.get(shown["server"]["id"], "")
    # these become part of names, and of ssh's command line
    vm["uuid"] = str(uuid.UUID(shown["uuid"]))
    vm["ip_address"] = _address(vm["ip_address"])
    return vm


def _address(text: Optional[str]) -> Optional[str]:
    try:
        return None if text is None else str(ipaddress.ip_address(text))
    except ValueError:
        return None
