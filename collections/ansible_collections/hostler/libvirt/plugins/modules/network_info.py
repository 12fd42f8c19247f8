#!/usr/bin/python
# Copyright: Hostler contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: network_info
short_description: What one, some or all virtual networks of a libvirt host are
version_added: 0.1.0
description:
  - Tells of networks, whoever made them, their state, all that they consist of, leases, and the VMs that are on them.
  - A network that is not there is no error; its entry says so.
extends_documentation_fragment:
  - hostler.libvirt.connection
  - hostler.libvirt.connection.attributes
attributes:
  diff_mode:
    support: N/A
    details: Nothing is ever changed.
options:
  name:
    description:
      - Names of networks, in full.
      - What O(name), O(uuid) and O(pattern) choose is added up, each network once. An empty list chooses nothing. All networks
        of the host where none of these is given.
    type: list
    elements: str
  uuid:
    description: UUIDs of networks.
    type: list
    elements: str
  pattern:
    description:
      - Patterns of names as a shell has them, with V(*), V(?) and V([ab]); they tell capital letters from small ones.
      - A pattern that no name fits chooses nothing, which is no error.
    type: list
    elements: str
  gather:
    description:
      - What is told beside the network's state.
      - V(spec) is what it consists of, V(leases) are the addresses that its DHCP has leased, V(users) are the cards of VMs on it.
      - An empty list is the quickest.
    type: list
    elements: str
    choices: [spec, leases, users]
    default: [spec, leases, users]
  timeout:
    description:
      - How many seconds all of it may take, at least 1.
      - libvirt tells of no network while one of them starts, which may take as long as a site's hooks do.
    type: float
    default: 30
notes:
  - Calls to libvirt beside those that connect, twice, however many networks the host has; 4 for the state of all of them. V(spec) and
    V(users) take up to 3 for each that is asked about, V(leases) 1. V(users) takes 4 more for the state of all VMs, 1 for the
    definition of each and 1 for that of each that runs, and 1 for each card that is plugged in.
  - No QEMU and no guest is asked anything, so one that hangs keeps nobody waiting.
seealso:
  - module: hostler.libvirt.network
author:
  - Hostler contributors (@hostler)
"""

EXAMPLES = r"""
- name: All about one network
  hostler.libvirt.network_info:
    name: internal
  register: found

- name: The VMs that are on it now
  ansible.builtin.debug:
    msg: "{{ found.networks[0].users | selectattr('connected') | map(attribute='vm') | unique }}"

- name: The state of every network
  hostler.libvirt.network_info:
    gather: []
"""

RETURN = r"""
networks:
  description:
    - The networks, those of O(name) first, then those of O(uuid), then those of O(pattern), or all of the host in the order of
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
      returned: always but for a UUID that no network has
      type: str
    uuid:
      description: Its UUID.
      returned: always but for a name that no network has
      type: str
    state:
      description: V(active) or V(inactive).
      returned: when it exists
      type: str
    autostart:
      description: Whether it starts with its host.
      returned: when it exists
      type: bool
    persistent:
      description: Whether it is still there after it is stopped.
      returned: when it exists
      type: bool
    mac_address:
      description: The address of its bridge; none of a network of the host's own.
      returned: with V(spec)
      type: str
    forward:
      description:
        - Where traffic goes, named as the suboptions of O(hostler.libvirt.network#module:forward), of which those are there that
          the network says something of. The C(mode) always is.
      returned: with V(spec)
      type: dict
    bridge:
      description: The name of its bridge.
      returned: with V(spec)
      type: str
    domain:
      description: Its DNS domain.
      returned: with V(spec)
      type: str
    domain_local:
      description: Whether the DNS asks nobody else for names of the domain.
      returned: with V(spec)
      type: bool
    mtu:
      description: The largest packet in bytes, where that is not the usual one.
      returned: with V(spec)
      type: int
    addresses:
      description: The host's addresses on it, with the length of their prefixes.
      returned: with V(spec)
      type: list
      elements: str
    dhcp_ranges:
      description: Addresses that are leased, named as the suboptions of O(hostler.libvirt.network#module:dhcp_ranges).
      returned: with V(spec)
      type: list
      elements: dict
    dhcp_hosts:
      description: Addresses that are kept, named as the suboptions of O(hostler.libvirt.network#module:dhcp_hosts).
      returned: with V(spec)
      type: list
      elements: dict
    dns_enabled:
      description: Whether it has a DNS server.
      returned: with V(spec)
      type: bool
    dns_hosts:
      description: Names that its DNS knows, named as the suboptions of O(hostler.libvirt.network#module:dns_hosts).
      returned: with V(spec)
      type: list
      elements: dict
    dns_forwarders:
      description: Whom its DNS asks, named as the suboptions of O(hostler.libvirt.network#module:dns_forwarders).
      returned: with V(spec)
      type: list
      elements: dict
    dns_srv:
      description: SRV records, named as the suboptions of O(hostler.libvirt.network#module:dns_srv).
      returned: with V(spec)
      type: list
      elements: dict
    dns_txt:
      description: TXT records, named as the suboptions of O(hostler.libvirt.network#module:dns_txt).
      returned: with V(spec)
      type: list
      elements: dict
    vlan:
      description: Its VLANs, named as the suboptions of O(hostler.libvirt.network#module:vlan).
      returned: with V(spec)
      type: dict
    openvswitch:
      description: Whether its bridge is one of Open vSwitch.
      returned: with V(spec)
      type: bool
    portgroups:
      description: Kinds of cards, named as the suboptions of O(hostler.libvirt.network#module:portgroups).
      returned: with V(spec)
      type: list
      elements: dict
    routes:
      description: Networks that are reached through a guest, named as the suboptions of O(hostler.libvirt.network#module:routes).
      returned: with V(spec)
      type: list
      elements: dict
    interfaces:
      description: Interfaces of the host that guests' cards are put upon.
      returned: with V(spec)
      type: list
      elements: str
    bandwidth:
      description: Its limits, named as the suboptions of O(hostler.libvirt.network#module:bandwidth).
      returned: with V(spec)
      type: dict
    leases:
      description: The addresses that are leased now.
      returned: with V(leases)
      type: list
      elements: dict
      contains:
        ip:
          description: The address.
          returned: always
          type: str
        prefix:
          description: The length of its prefix.
          returned: always
          type: int
        mac:
          description: The address of the card that has it, as far as it is known.
          returned: always
          type: str
        hostname:
          description: What its guest calls itself.
          returned: always
          type: str
        client_id:
          description: The client's id or DUID.
          returned: always
          type: str
        expires:
          description: When it expires, in seconds since 1970; none for never.
          returned: always
          type: int
    users:
      description:
        - Cards of VMs on it; those of VMs that are off, too, and those that name the bridge that is the network's own.
      returned: with V(users)
      type: list
      elements: dict
      contains:
        vm:
          description: The VM's name.
          returned: always
          type: str
        uuid:
          description: The VM's UUID.
          returned: always
          type: str
        mac_address:
          description: The card's address.
          returned: always
          type: str
        running:
          description: Whether the VM runs.
          returned: always
          type: bool
        connected:
          description:
            - Whether the network counts it among its cards. It does not count the card of a VM that runs if it was stopped meanwhile,
              and then that is cut off; nor one that names the bridge.
          returned: always
          type: bool
        portgroup:
          description: The portgroup of a card that is connected, if it has one.
          returned: always
          type: str
  sample:
    - exists: true
      name: internal
      uuid: 12345678-1234-1234-1234-123456789012
      state: active
      autostart: true
      persistent: true
      forward:
        mode: nat
      bridge: hl-internal
      addresses: [192.168.57.1/24]
      leases:
        - ip: 192.168.57.10
          prefix: 24
          mac: 52:54:00:57:00:10
          hostname: database-01
          client_id:
          expires: 1714979289
      users:
        - vm: database-01
          uuid: 12345678-1234-1234-1234-123456789013
          mac_address: 52:54:00:57:00:10
          running: true
          connected: true
          portgroup:
code:
  description: What went wrong, as a word for programs that stays the same.
  returned: failure
  type: str
  sample: host_unreachable
field:
  description: The option that caused it, where one did.
  returned: failure
  type: str
  sample: uuid
"""

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.gather_networks import (
    PARTS,
    NetworkInquiry,
    gather_networks,
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
            gather=dict(type="list", elements="str", choices=list(PARTS), default=list(PARTS)),
            timeout=dict(type="float", default=NetworkInquiry.timeout),
            **CONNECTION_OPTIONS,
            **SELECTION_OPTIONS,
        ),
        supports_check_mode=True,
    )
    if LIBVIRT_IMPORT_ERROR is not None:
        module.fail_json(msg=missing_required_lib("libvirt-python"), exception=LIBVIRT_IMPORT_ERROR)
    params = module.params
    inquiry = NetworkInquiry(selection_from(params), tuple(params["gather"]), params["timeout"])
    try:
        with Hypervisor.open(host_uri(params)) as hypervisor:
            networks = gather_networks(hypervisor, inquiry)
    except HostlerError as error:
        module.fail_json(msg=error.message, code=error.code, field=error.field)
    module.exit_json(changed=False, networks=networks)


if __name__ == "__main__":
    main()
