#!/usr/bin/python
# Copyright: Hostler contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: vm_nic
short_description: A network card of a virtual machine, attached, changed or detached
version_added: 0.1.0
description:
  - Attaches a network card to a VM, whoever made that, changes it or detaches it, while the VM is off or runs.
  - What would change is planned first; check mode and diff show that plan, and a real run carries out the same one.
  - A step that fails is put back, or the error says what remains.
extends_documentation_fragment:
  - hostler.libvirt.connection
  - hostler.libvirt.connection.attributes
  - hostler.libvirt.devices
options:
  state:
    description:
      - V(present) attaches the card if it is not there, else brings it to what the other options say; those that are left out
        stay as they are.
      - V(absent) detaches it. From a VM that runs it is unplugged, for which its guest has O(timeout) seconds.
    type: str
    choices: [present, absent]
    default: present
  mac_address:
    description:
      - The card's address, by which it is known. One of O(mac_address), O(alias) and O(index) is needed.
      - A card keeps its address as long as it is there.
    type: str
  alias:
    description:
      - A name for the card, which its definition keeps (as C(ua-) and the alias); 1 to 40 letters, digits, dashes and underscores, the
        first a letter or digit. Says which card is meant where O(mac_address) and O(index) are left out; beside these it is what
        the card gets. A running VM has it from its next boot.
      - A new card for which no O(mac_address) is given gets one that is made of the VM's UUID and the alias, so it is the same in check
        mode, and if the card comes back.
    type: str
  index:
    description: Which card of those that the VM has it is, from 0; for O(state=present) only, and for none that is new.
    type: int
  type:
    description:
      - V(nat) is the host's NAT network, V(bridge) a bridge of the host, V(network) a libvirt network. A new card is V(nat) where it is
        left out.
      - From a bridge or network to another the card is plugged while the VM runs.
    type: str
    choices: [nat, bridge, network]
  bridge_name:
    description: The host's bridge, for O(type=bridge).
    type: str
  network_name:
    description: The libvirt network, for O(type=network).
    type: str
  network:
    description: The host's NAT network.
    type: str
    default: default
  model:
    description:
      - What the guest takes the card for; V(virtio) for a new one where it is left out. A running VM gets it at its next boot.
      - V(rtl8139) can't be plugged into a q35 while it runs; the others need a PCIe port each, of which VMs of M(hostler.libvirt.vm)
        start with six to spare. What can't be plugged in waits for the next boot.
    type: str
    choices: [virtio, e1000e, rtl8139]
  link:
    description: Whether the cable is plugged in, as the guest sees it, also while it runs.
    type: str
    choices: [up, down]
  filter:
    description: The network filter of the host that the card's traffic goes through, also while it runs; empty for none.
    type: str
  bandwidth:
    description:
      - How much the card may get and send, also while the VM runs. Figures that are left out stay; an O(bandwidth.inbound.average) of V(0)
        by itself takes the limit of that way away.
      - The host's kernel has to be able to (C(sch_htb), C(sch_sfq), C(sch_ingress)).
    type: dict
    suboptions:
      inbound:
        description: What the guest gets.
        type: dict
        suboptions: &rate
          average:
            description: KiB a second in the long run.
            type: int
          peak:
            description: KiB a second at most, until a burst is used up.
            type: int
          burst:
            description: How many KiB may go at the peak rate.
            type: int
      outbound:
        description: What the guest sends.
        type: dict
        suboptions: *rate
  timeout:
    description:
      - How many seconds the guest has to let go of the card. A guest that has not is an error; nothing has changed then,
        though it may still let go later. One that is still booting does when it has.
    type: int
    default: 60
seealso:
  - module: hostler.libvirt.vm
author:
  - Hostler contributors (@hostler)
"""

EXAMPLES = r"""
- name: A card on the storage network, for a VM that may be running
  hostler.libvirt.vm_nic:
    name: database-01
    alias: storage
    type: network
    network_name: storage
    live: true

- name: Pull its cable
  hostler.libvirt.vm_nic:
    name: database-01
    alias: storage
    link: down
    live: true

- name: No more than 10 MiB a second to the first card, and nothing under another address from it
  hostler.libvirt.vm_nic:
    name: database-01
    index: 0
    filter: clean-traffic
    bandwidth:
      inbound:
        average: 10240
    live: true

- name: Off with the card
  hostler.libvirt.vm_nic:
    name: database-01
    alias: storage
    state: absent
    live: true
"""

RETURN = r"""
nic:
  description: The card as it is after the task; in check mode, as it was before. None where there is none.
  returned: success
  type: dict
  contains:
    mac_address:
      description: Its address.
      returned: always
      type: str
    alias:
      description: The name that was given to it; none where nobody gave it one, or it waits for the next boot.
      returned: always
      type: str
    type:
      description: What libvirt calls that which it is plugged into; V(user) is QEMU's own NAT.
      returned: always
      type: str
    source:
      description: The network's or the bridge's name; none where it has none.
      returned: always
      type: str
    model:
      description: What the guest takes it for.
      returned: always
      type: str
    link:
      description: Whether its cable is plugged in.
      returned: always
      type: str
    filter:
      description: Its network filter; none where it has none.
      returned: always
      type: str
    bandwidth:
      description: Its limits by V(inbound) and V(outbound), those that it has.
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
    mac_address: "52:54:00:6b:3c:58"
    alias: storage
    type: network
    source: storage
    model: virtio
    link: up
    filter:
    bandwidth: {}
    defined: true
    running: true
plan:
  description: The steps, in order, each with when it takes effect (V(now), V(next_boot)).
  returned: success
  type: list
  elements: dict
  sample:
    - title: Plug in card 52:54:00:6b:3c:58
      applies: now
next_boot:
  description: The options whose value a running VM gets only at its next boot; O(state) for a card that comes then.
  returned: success
  type: list
  elements: str
  sample: []
code:
  description: What went wrong, as a word for programs that stays the same.
  returned: failure
  type: str
  sample: guest_timeout
field:
  description: The option that caused it, where one did.
  returned: failure
  type: str
  sample: bridge_name
"""

import dataclasses

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.ensure_nic import ensure_nic
from ansible_collections.hostler.libvirt.plugins.module_utils.card import CARD_MODELS
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostlerError
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.library import LIBVIRT_IMPORT_ERROR
from ansible_collections.hostler.libvirt.plugins.module_utils.options import (
    CONNECTION_OPTIONS,
    DEVICE_OPTIONS,
    host_uri,
    one_from,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.wanted_nic import (
    LINKS,
    STATES,
    TYPES,
    WantedBandwidth,
    WantedNic,
    WantedRate,
)

RATE_OPTIONS = {one.name: dict(type="int") for one in dataclasses.fields(WantedRate)}

# named as in the core's WantedNic
NIC_OPTIONS = dict(
    state=dict(type="str", choices=list(STATES), default="present"),
    mac_address=dict(type="str"),
    alias=dict(type="str"),
    index=dict(type="int"),
    type=dict(type="str", choices=list(TYPES)),
    bridge_name=dict(type="str"),
    network_name=dict(type="str"),
    network=dict(type="str", default="default"),
    model=dict(type="str", choices=list(CARD_MODELS)),
    link=dict(type="str", choices=list(LINKS)),
    filter=dict(type="str"),
    bandwidth=dict(
        type="dict",
        options=dict(
            inbound=dict(type="dict", options=RATE_OPTIONS),
            outbound=dict(type="dict", options=RATE_OPTIONS),
        ),
    ),
    timeout=dict(type="int", default=60),
)


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(**CONNECTION_OPTIONS, **DEVICE_OPTIONS, **NIC_OPTIONS),
        required_one_of=[("name", "uuid")],
        supports_check_mode=True,
    )
    if LIBVIRT_IMPORT_ERROR is not None:
        module.fail_json(msg=missing_required_lib("libvirt-python"), exception=LIBVIRT_IMPORT_ERROR)
    params = module.params
    ways = {way: WantedRate(**rate) for way, rate in (params["bandwidth"] or {}).items() if rate is not None}
    given = {option: params[option] for option in NIC_OPTIONS}
    wanted = WantedNic(**{**given, "bandwidth": WantedBandwidth(**ways)}, live=params["live"])
    try:
        with Hypervisor.open(host_uri(params)) as hypervisor:
            outcome = ensure_nic(hypervisor, one_from(params), wanted, check=module.check_mode)
    except HostlerError as error:
        module.fail_json(msg=error.message, code=error.code, field=error.field)
    module.exit_json(**outcome)


if __name__ == "__main__":
    main()
