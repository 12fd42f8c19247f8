#!/usr/bin/python
# Copyright: Hostler contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: vm_clone
short_description: A virtual machine that is made of another one on its libvirt host
version_added: 0.1.0
description:
  - Makes a VM of another one, whoever made that, or of one of its snapshots. The clone has the hardware that its source has,
    also what no option of this collection knows of.
  - It is another machine, though. It has its own UUID, generation ID, MAC addresses, VNC and SPICE ports, vsock address, and
    begins with new UEFI variables and an empty TPM. Every disk that its source writes to alone is its own; shared and read-only disks
    and CD-ROMs stay the same.
  - Making a clone is all or nothing. What a failed run made is gone afterwards, or the error says what remains.
  - A clone that is there already stays as it is, but for its power (O(state)), even if its source has gone since.
extends_documentation_fragment:
  - hostler.libvirt.connection
  - hostler.libvirt.connection.attributes
options:
  name:
    description:
      - The new VM's name, unique on its host.
      - 1 to 63 letters, digits, dots, dashes and underscores, the first a letter or digit.
    type: str
    required: true
  uuid:
    description: The UUID that the new VM gets; a random one where it is left out. A clone that is there must have it.
    type: str
  source:
    description:
      - The name of the VM that is cloned. It must be off, unless O(snapshot) is given.
      - One of O(source) and O(source_uuid) is needed; with both, the VM with that UUID must have that name.
    type: str
  source_uuid:
    description: The UUID of the VM that is cloned.
    type: str
  snapshot:
    description:
      - Which of its snapshots is cloned. It must be external, that is beside the disks; the VM may run.
      - The clone's disks have the content of then, all else is what the VM has now.
    type: str
  mode:
    description:
      - V(full) copies the disks; the clone depends on nothing.
      - V(linked) makes each disk an overlay, which takes a moment and hardly any space, and reads the rest from the file that it
        is built upon for as long as the clone lives. Nobody may ever write to that file, so it goes with a source that is a
        template (C(template) of M(hostler.libvirt.vm)) or with O(snapshot).
      - M(hostler.libvirt.vm_snapshot) refuses to remove a snapshot that a clone is built upon, and M(hostler.libvirt.vm)
        to have a template be none any more.
    type: str
    choices: [full, linked]
    default: full
  pool:
    description: The storage pool for the clone's disks; that of each disk of the source where it is left out.
    type: str
  mac_addresses:
    description:
      - The MAC addresses of the clone's first cards, in their order, of no other cards of the network.
      - Cards for which there is none get random ones.
    type: list
    elements: str
    default: []
  cloud_init:
    description:
      - What the clone's cloud-init is told, on a NoCloud seed that is attached as a CD-ROM. Needs pycdlib.
      - A clone of a VM with a seed of this collection's gets one of its own in any case, with the clone's name as host name;
        one of any other VM where this is given, be it empty.
      - Such a seed has cloud-init take the clone for a new machine. It gets its host name and new SSH host keys, and where
        systemd is, a new machine ID.
    type: dict
    suboptions:
      hostname:
        description: The guest's host name; the VM's name where it is left out.
        type: str
      ssh_authorized_keys:
        description: Public keys that may log in as the image's default user.
        type: list
        elements: str
      user_data:
        description: cloud-init user data, passed on as it is (C(#cloud-config), a script, MIME).
        type: str
      network_config:
        description:
          - cloud-init network configuration (version 1 or 2), passed on as it is.
          - It may hold passwords of networks, so it is never shown.
        type: str
  description:
    description: What the clone is for; what its source says where it is left out.
    type: str
  tags:
    description: All labels of the clone; those of its source where they are left out.
    type: list
    elements: str
  owner:
    description: Whose VM it is; whose its source is where it is left out.
    type: str
  record_id:
    description: The number under which a Hostler service knows the clone; written into the VM's own record.
    type: int
  state:
    description:
      - V(present) leaves the clone's power alone; a new one is off.
      - V(running) starts it.
    type: str
    choices: [present, running]
    default: present
  wait_for:
    description:
      - What is waited for once the clone runs, as in M(hostler.libvirt.vm); goes with O(state=running).
      - In check mode nothing is waited for.
    type: str
    choices: [address, agent, port]
  wait_port:
    description: The TCP port for O(wait_for=port), 1 to 65535.
    type: int
  wait_timeout:
    description: How many seconds are waited before the task fails; the clone stays as it is then.
    type: int
    default: 300
notes:
  - A clone neither starts with its host nor is guarded against deletion, whatever its source is.
  - Host devices and shared folders are the same as those of the source, so not every clone can run beside it.
seealso:
  - module: hostler.libvirt.vm
  - module: hostler.libvirt.vm_snapshot
author:
  - Hostler contributors (@hostler)
"""

EXAMPLES = r"""
- name: A copy of a VM that is off, running under its own name
  hostler.libvirt.vm_clone:
    name: web-server-02
    source: web-server-01
    cloud_init:
      ssh_authorized_keys:
        - ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK0wmN/Cr3JXqmLW7u+g9pTh+wyqDHpSQEIQczXkVx9q admin
    state: running

- name: A template
  hostler.libvirt.vm:
    name: web-server-01
    template: true

- name: A machine that is built upon the template
  hostler.libvirt.vm_clone:
    name: web-server-03
    source: web-server-01
    mode: linked

- name: What test machines are built upon, of a database that goes on running
  hostler.libvirt.vm_snapshot:
    name: database-01
    snapshot: golden
    external: true
    quiesce: true

- name: Three of them, which take no space before they write
  hostler.libvirt.vm_clone:
    name: "{{ item }}"
    source: database-01
    snapshot: golden
    mode: linked
    description: For tests only
    tags: [test]
    state: running
  loop: [test-1, test-2, test-3]
"""

RETURN = r"""
vm:
  description: The clone as it is after the task, as M(hostler.libvirt.vm) has it; none before it is made.
  returned: success
  type: dict
  sample:
    name: web-server-02
    uuid: 12345678-1234-1234-1234-123456789012
    status: running
    cpu_cores: 2
    memory_mb: 2048
    disk_gb: 20.0
plan:
  description: The steps, in order, each with when it takes effect (V(now)).
  returned: success
  type: list
  elements: dict
  sample:
    - title: Define VM 'web-server-02'
      applies: now
    - title: Copy web-server-01-1b2c3d4e-root.qcow2 (20 GiB) in pool 'default'
      applies: now
code:
  description: What went wrong, as a word for programs that stays the same.
  returned: failure
  type: str
  sample: wrong_state
field:
  description: The option that caused it, where one did.
  returned: failure
  type: str
  sample: source
"""

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.ensure_clone import ensure_clone
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostlerError
from ansible_collections.hostler.libvirt.plugins.module_utils.fields import object_from
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.library import LIBVIRT_IMPORT_ERROR
from ansible_collections.hostler.libvirt.plugins.module_utils.machine_options import SPEC_OPTIONS
from ansible_collections.hostler.libvirt.plugins.module_utils.options import CONNECTION_OPTIONS, host_uri
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.clone_wish import MODES, STATES, CloneWish
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.wait import WaitFor
from ansible_collections.hostler.libvirt.plugins.module_utils.selection import OneMachine

# named as in the core's CloneWish
WISH_OPTIONS = dict(
    name=dict(type="str", required=True),
    uuid=dict(type="str"),
    snapshot=dict(type="str"),
    mode=dict(type="str", choices=list(MODES), default="full"),
    pool=dict(type="str"),
    mac_addresses=dict(type="list", elements="str", default=[]),
    cloud_init=SPEC_OPTIONS["cloud_init"],
    description=dict(type="str"),
    tags=dict(type="list", elements="str"),
    owner=dict(type="str"),
    record_id=dict(type="int"),
    state=dict(type="str", choices=list(STATES), default="present"),
)


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(
            source=dict(type="str"),
            source_uuid=dict(type="str"),
            wait_for=dict(type="str", choices=["address", "agent", "port"]),
            wait_port=dict(type="int"),
            wait_timeout=dict(type="int", default=300),
            **CONNECTION_OPTIONS,
            **WISH_OPTIONS,
        ),
        required_one_of=[("source", "source_uuid")],
        required_by={"wait_port": "wait_for"},
        supports_check_mode=True,
    )
    if LIBVIRT_IMPORT_ERROR is not None:
        module.fail_json(msg=missing_required_lib("libvirt-python"), exception=LIBVIRT_IMPORT_ERROR)
    params = module.params
    waiting = None
    if params["wait_for"] is not None:
        waiting = WaitFor(params["wait_for"], params["wait_timeout"], params["wait_port"])
    try:
        wish = object_from(CloneWish, {name: params[name] for name in WISH_OPTIONS}, "a clone")
        with Hypervisor.open(host_uri(params)) as hypervisor:
            which = OneMachine(params["source"], params["source_uuid"])
            outcome = ensure_clone(hypervisor, which, wish, waiting, check=module.check_mode)
    except HostlerError as error:
        module.fail_json(msg=error.message, code=error.code, field=error.field)
    module.exit_json(**outcome)


if __name__ == "__main__":
    main()
