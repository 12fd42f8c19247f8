#!/usr/bin/python
# Copyright: Hostler contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: vm_snapshot_info
short_description: Tells of the snapshots of a virtual machine on a libvirt host
version_added: 0.1.0
description:
  - Tells of all snapshots of a VM, or of one, whoever has taken them, in the order in which they were taken.
  - A VM or a snapshot that is not there is no error.
  - Nothing is asked of the VM's QEMU or guest, so one that hangs keeps nobody waiting. It takes a call to libvirt for each
    snapshot, and one for each file of an external one.
extends_documentation_fragment:
  - hostler.libvirt.connection
  - hostler.libvirt.connection.attributes
options:
  name:
    description:
      - The VM's name.
      - One of O(name) and O(uuid) is needed; with both, the VM with that UUID must have that name.
    type: str
  uuid:
    description: The VM's UUID.
    type: str
  snapshot:
    description: The name of the only snapshot to be told of.
    type: str
seealso:
  - module: hostler.libvirt.vm_snapshot
  - module: hostler.libvirt.vm_info
author:
  - Hostler contributors (@hostler)
"""

EXAMPLES = r"""
- name: All snapshots of a VM
  hostler.libvirt.vm_snapshot_info:
    name: web-server-01
  register: found

- name: The newest of the nightly ones
  ansible.builtin.debug:
    msg: "{{ found.snapshots | selectattr('series', 'eq', 'nightly') | map(attribute='name') | list | last | default('none') }}"
"""

RETURN = r"""
exists:
  description: Whether the VM is there.
  returned: success
  type: bool
name:
  description: The VM's name.
  returned: success, but for a UUID that no VM has
  type: str
uuid:
  description: The VM's UUID.
  returned: success, but for a name that no VM has
  type: str
snapshots:
  description: Its snapshots, the first that was taken first; none where the VM or the snapshot is not there.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Its name.
      returned: always
      type: str
    parent:
      description: The name of the one after which it was taken; none for the first.
      returned: always
      type: str
    children:
      description: The names of those that were taken directly after it.
      returned: always
      type: list
      elements: str
    current:
      description: Whether it is the one after which the next is taken.
      returned: always
      type: bool
    created:
      description: When it was taken, in UTC; libvirt knows no more than the second.
      returned: always
      type: str
    state:
      description:
        - What the VM was, one of V(running), V(paused), V(suspended), V(stopping), V(stopped), V(crashed) and V(unknown).
        - Of an external one without memory it is V(running) whenever the VM was not off.
      returned: always
      type: str
    memory:
      description: Whether it has the guest's memory. A guest that ran starts from one without as after a power cut.
      returned: always
      type: bool
    external:
      description: Whether it is beside the disks, in files of its own.
      returned: always
      type: bool
    description:
      description: What it is for.
      returned: always
      type: str
    series:
      description: The series in which M(hostler.libvirt.vm_snapshot) took it; none of others.
      returned: always
      type: str
    disks:
      description: The disks of the VM at that time.
      returned: always
      type: list
      elements: dict
      contains:
        target:
          description: Its name on the bus.
          returned: always
          type: str
        kind:
          description: V(internal), V(external), or V(no) for one that was left out.
          returned: always
          type: str
        overlay:
          description: The file that the VM writes to since an external one was taken.
          returned: always
          type: str
    memory_file:
      description: The file with the memory of an external one.
      returned: always
      type: str
    size:
      description:
        - What the files of an external one take on the host, in bytes.
        - None of one inside of the disks, and where a file is in no storage pool.
      returned: always
      type: int
  sample:
    - name: before-upgrade
      parent:
      children: []
      current: true
      created: "2024-05-06T07:08:09Z"
      state: running
      memory: true
      external: false
      description: Debian 12, before it becomes 13
      series:
      disks:
        - target: vda
          kind: internal
          overlay:
      memory_file:
      size:
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

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.ensure_snapshot import snapshots_of
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostlerError
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.library import LIBVIRT_IMPORT_ERROR
from ansible_collections.hostler.libvirt.plugins.module_utils.options import CONNECTION_OPTIONS, host_uri, one_from


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(
            name=dict(type="str"), uuid=dict(type="str"), snapshot=dict(type="str"), **CONNECTION_OPTIONS
        ),
        required_one_of=[("name", "uuid")],
        supports_check_mode=True,
    )
    if LIBVIRT_IMPORT_ERROR is not None:
        module.fail_json(msg=missing_required_lib("libvirt-python"), exception=LIBVIRT_IMPORT_ERROR)
    params = module.params
    try:
        with Hypervisor.open(host_uri(params)) as hypervisor:
            found = snapshots_of(hypervisor, one_from(params), params["snapshot"])
    except HostlerError as error:
        module.fail_json(msg=error.message, code=error.code, field=error.field)
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
