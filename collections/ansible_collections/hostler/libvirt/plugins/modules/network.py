#!/usr/bin/python
# Copyright: Hostler contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: network
short_description: A virtual network of a libvirt host as it should be
version_added: 0.1.0
description:
  - Defines a network, changes it, starts and stops it, removes it. What is not named stays as it is, and so does what no
    option is for.
  - Kept addresses, DHCP ranges, DNS hosts, TXT and SRV records, portgroups, and the interfaces of a network of the host's
    own reach a network that runs at once, without touching the VMs on it. All else waits for its next start, and
    RV(next_start) says so.
  - The network's UUID, and the name and address of its bridge, never change by themselves.
extends_documentation_fragment:
  - hostler.libvirt.connection
  - hostler.libvirt.connection.attributes
  - hostler.libvirt.network
options:
  name:
    description: The network's name.
    type: str
    required: true
  state:
    description:
      - V(present) is a network that is defined, whether it runs or not. V(active) is one that runs, V(inactive) one that does not.
      - V(absent) is none. It is stopped before.
      - One that would be gone once it is stopped (a transient one) becomes one that stays, unless it is to be V(absent).
    type: str
    choices: [present, active, inactive, absent]
    default: present
  xml:
    description:
      - The network as libvirt's own XML, for those who bring it. It is defined from that, and defined anew when the XML or the
        definition is another than it was.
      - libvirt validates it. It needs a C(<name>), which is that of O(name). UUID, bridge and MAC that it leaves open stay.
      - A network that runs gets it with its next start. It does not go with options that say what the XML says.
    type: str
  restart:
    description:
      - Whether a network that runs is restarted where something waits for that.
      - Never while a VM that runs has a card on it. libvirt does not plug such a card in again when the network starts. The error
        names those VMs.
    type: bool
    default: false
  force:
    description:
      - Whether O(state=inactive) and O(state=absent) may cut off VMs that run and have a card on the network. Without it that is an
        error that names them.
      - They stay cut off, even when the network is started again, until they are restarted.
    type: bool
    default: false
seealso:
  - module: hostler.libvirt.network_info
  - module: hostler.libvirt.vm_nic
author:
  - Hostler contributors (@hostler)
"""

EXAMPLES = r"""
- name: A network behind the host's address, with DHCP
  hostler.libvirt.network:
    name: internal
    state: active
    autostart: true
    bridge: hl-internal
    forward:
      mode: nat
    domain: internal.test
    domain_local: true
    addresses:
      - 192.168.57.1/24
      - fd00:57::1/64
    dhcp_ranges:
      - start: 192.168.57.100
        end: 192.168.57.199

- name: An address and a name for a VM, while the network runs
  hostler.libvirt.network:
    name: internal
    dhcp_hosts:
      - mac: "52:54:00:57:00:10"
        name: database-01
        ip: 192.168.57.10
    dns_hosts:
      - ip: 192.168.57.10
        hostnames:
          - database
          - database.internal.test

- name: Smaller packets; they wait for the network's next start, unless no VM is on it
  hostler.libvirt.network:
    name: internal
    mtu: 1400
    restart: true

- name: Nothing is kept for anybody else
  hostler.libvirt.network:
    name: internal
    dhcp_hosts: []
    dhcp_hosts_exclusive: true

- name: Guests directly on the host's network, by macvtap
  hostler.libvirt.network:
    name: direct
    forward:
      mode: bridge
    interfaces:
      - eth0

- name: A bridge of Open vSwitch with a trunk, and a portgroup for each kind of guest
  hostler.libvirt.network:
    name: trunk
    forward:
      mode: bridge
    bridge: ovs-br0
    openvswitch: true
    vlan:
      tags: [10, 20]
      native: 10
    portgroups:
      - name: web
        default: true
        vlan:
          tags: [10]
      - name: storage
        vlan:
          tags: [20]
        bandwidth:
          inbound:
            average: 102400

- name: They are no longer needed
  hostler.libvirt.network:
    name: "{{ item }}"
    state: absent
  loop: [internal, direct, trunk]
"""

RETURN = r"""
network:
  description:
    - The network as it is defined after the task; in check mode, as it was before. None where there is none.
    - M(hostler.libvirt.network_info) describes what it has.
  returned: success
  type: dict
  sample:
    name: internal
    uuid: 12345678-1234-1234-1234-123456789012
    mac_address: 52:54:00:57:00:01
    state: active
    autostart: true
    persistent: true
    forward:
      mode: nat
    bridge: hl-internal
    addresses: [192.168.57.1/24]
next_start:
  description:
    - Options that a network that runs has only after its next start, whether this task has written them down or they were
      before.
  returned: success
  type: list
  elements: str
  sample: [mtu]
plan:
  description: The steps, in order, each with when it takes effect (V(now) or V(next_start)).
  returned: success
  type: list
  elements: dict
  sample:
    - title: Change the definition of network 'internal'
      applies: next_start
code:
  description: What went wrong, as a word for programs that stays the same.
  returned: failure
  type: str
  sample: wrong_state
field:
  description: The option that caused it, where one did.
  returned: failure
  type: str
  sample: restart
"""

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.ensure_network import ensure_network
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostlerError
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.library import LIBVIRT_IMPORT_ERROR
from ansible_collections.hostler.libvirt.plugins.module_utils.network_options import NETWORK_OPTIONS
from ansible_collections.hostler.libvirt.plugins.module_utils.options import CONNECTION_OPTIONS, host_uri


def main() -> None:
    module = AnsibleModule(argument_spec=dict(**CONNECTION_OPTIONS, **NETWORK_OPTIONS), supports_check_mode=True)
    if LIBVIRT_IMPORT_ERROR is not None:
        module.fail_json(msg=missing_required_lib("libvirt-python"), exception=LIBVIRT_IMPORT_ERROR)
    params = module.params
    try:
        with Hypervisor.open(host_uri(params)) as hypervisor:
            wanted = {name: params[name] for name in NETWORK_OPTIONS}
            outcome = ensure_network(hypervisor, wanted, check=module.check_mode)
    except HostlerError as error:
        module.fail_json(msg=error.message, code=error.code, field=error.field)
    module.exit_json(**outcome)


if __name__ == "__main__":
    main()
