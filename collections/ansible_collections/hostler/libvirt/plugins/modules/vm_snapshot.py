#!/usr/bin/python
# Copyright: Hostler contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: vm_snapshot
short_description: Takes snapshots of a virtual machine on a libvirt host, goes back to them and removes them
version_added: 0.1.0
description:
  - Takes a snapshot of a VM, inside of its disks or beside them, with the guest's memory or without; brings the VM back to
    one; removes one, or those of a series of which there are enough.
  - What would change is planned first. What libvirt can't do with this VM, or would do at others' cost, is said before
    anything is touched.
  - A revert brings back the VM's content, its memory, its hardware settings and its disks' sizes. Its name, its record (description, tags,
    owner, protection and so on), its UUID and its MAC addresses stay what they are now.
extends_documentation_fragment:
  - hostler.libvirt.connection
  - hostler.libvirt.connection.attributes
attributes:
  check_mode:
    details: That a guest freezes its file systems can't be foretold, only that its agent is connected.
  idempotent:
    support: partial
    details:
      - Each run without O(snapshot) takes another one, and each with O(state=reverted) reverts.
      - All else is done once. Names that are made of the time differ between check mode and the run after it.
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
    description:
      - The snapshot's name. A new one has 1 to 63 letters, digits, dots, dashes and underscores, the first a letter or digit.
      - With O(state=present) it may be left out. The new one is called as its O(series), else V(snapshot), and the time in
        UTC then, as in V(nightly-20240506T070809Z).
    type: str
  state:
    description:
      - V(present) takes it, unless there is one of that name; if that one is of another kind or series than is asked for, that
        is an error.
      - V(reverted) brings the VM back to it. What the VM is and holds now is lost, but for its own record.
      - V(absent) removes it. The VM stays as it is, and so do the snapshots that came after it.
    type: str
    choices: [present, reverted, absent]
    default: present
  description:
    description: What a new one is for.
    type: str
  memory:
    description:
      - Whether a new one has the guest's memory, which needs a VM that runs or is paused.
      - Where it is left out, one that is inside of the disks of such a VM has it, since it can't do without, and others don't.
    type: bool
  external:
    description:
      - Whether a new one is beside the disks. The VM then writes to new qcow2 files, and its memory is in a file, too, all in
        the storage pool of each disk and never in place of another file.
      - Such a one can be reverted to by libvirt 9.9 and newer only; older ones say so.
      - Where it is left out, a new one is inside of the disks, which all have to be qcow2, UEFI variables included.
      - Read-only and shared disks, CD-ROMs and floppies are left out of it. Inside of the disks there can't be one of a VM that
        has a shared disk, which is raw.
    type: bool
  quiesce:
    description:
      - Whether the guest's agent freezes its file systems for the moment in which a new one is taken.
      - Goes with O(external=true) and without memory; the VM must run, and its agent be connected. If anything fails the
        file systems are thawed again, and if that fails, too, the error says so.
    type: bool
    default: false
  series:
    description:
      - The series to which a new one belongs, 1 to 40 letters, digits, dots, dashes and underscores, the first a letter or
        digit. It is written into the snapshot.
    type: str
  keep:
    description:
      - How many of the O(series) stay, the newest ones; older ones are removed after the new one was taken.
      - Never one that this module has not taken in this series, whatever its name, nor the one that O(snapshot) names.
    type: int
  power:
    description:
      - What the VM is after O(state=reverted).
      - V(as-taken) is running or paused, as it was, with a snapshot that has memory, and off with one that has none.
      - V(running) and V(paused) have it go on, or start, whatever it was.
    type: str
    choices: [as-taken, running, paused]
    default: as-taken
  force:
    description:
      - Whether O(state=reverted) may bring back other virtual CPUs, memory, machine type, firmware or TPM than the VM has now;
        without it that is an error that names them.
      - A VM that has other disks or MAC addresses than it had then is never reverted.
    type: bool
    default: false
  children:
    description: Whether O(state=absent) also removes all snapshots that came after it.
    type: bool
    default: false
  timeout:
    description:
      - How many seconds each step may take. What takes longer is given up, and the error says that libvirt may still be at it.
      - Memory and merged disks take as long as there is of them.
    type: float
    default: 600
seealso:
  - module: hostler.libvirt.vm_snapshot_info
  - module: hostler.libvirt.vm
author:
  - Hostler contributors (@hostler)
"""

EXAMPLES = r"""
- name: A snapshot before the upgrade, with the memory if the VM runs
  hostler.libvirt.vm_snapshot:
    name: web-server-01
    snapshot: before-upgrade
    description: Debian 12, before it becomes 13

- name: Back to it
  hostler.libvirt.vm_snapshot:
    name: web-server-01
    snapshot: before-upgrade
    state: reverted
    power: running

- name: It is no longer needed
  hostler.libvirt.vm_snapshot:
    name: web-server-01
    snapshot: before-upgrade
    state: absent

- name: Every night one whose file systems are whole, and no more than seven of them
  hostler.libvirt.vm_snapshot:
    name: database-01
    series: nightly
    keep: 7
    external: true
    quiesce: true
"""

RETURN = r"""
snapshot:
  description:
    - The snapshot that was meant, as it is after the task; in check mode, as it was before. None where there is none.
    - M(hostler.libvirt.vm_snapshot_info) describes what it has.
  returned: success
  type: dict
  sample:
    name: before-upgrade
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
removed:
  description: Names of the snapshots that were removed, or in check mode would be.
  returned: success
  type: list
  elements: str
  sample: []
vm:
  description:
    - The VM as it is after the task; in check mode, as it was before. None where there is none, which is no error for
      O(state=absent). M(hostler.libvirt.vm) describes what it has.
  returned: success
  type: dict
  sample:
    name: web-server-01
    uuid: 12345678-1234-1234-1234-123456789012
    status: running
plan:
  description: The steps, in order, each with when it takes effect (V(now)).
  returned: success
  type: list
  elements: dict
  sample:
    - title: Take snapshot 'before-upgrade' of VM 'web-server-01'
      applies: now
code:
  description: What went wrong, as a word for programs that stays the same.
  returned: failure
  type: str
  sample: agent_unavailable
field:
  description: The option that caused it, where one did.
  returned: failure
  type: str
  sample: quiesce
"""

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.ensure_snapshot import ensure_snapshot
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostlerError
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.library import LIBVIRT_IMPORT_ERROR
from ansible_collections.hostler.libvirt.plugins.module_utils.options import CONNECTION_OPTIONS, host_uri, one_from
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.snapshot_wish import POWERS, STATES, SnapshotWish

# named as in the core's SnapshotWish
WISH_OPTIONS = dict(
    snapshot=dict(type="str"),
    state=dict(type="str", choices=list(STATES), default="present"),
    description=dict(type="str"),
    memory=dict(type="bool"),
    external=dict(type="bool"),
    quiesce=dict(type="bool", default=False),
    series=dict(type="str"),
    keep=dict(type="int"),
    power=dict(type="str", choices=list(POWERS), default="as-taken"),
    force=dict(type="bool", default=False),
    children=dict(type="bool", default=False),
    timeout=dict(type="float", default=600),
)


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(name=dict(type="str"), uuid=dict(type="str"), **CONNECTION_OPTIONS, **WISH_OPTIONS),
        required_one_of=[("name", "uuid")],
        supports_check_mode=True,
    )
    if LIBVIRT_IMPORT_ERROR is not None:
        module.fail_json(msg=missing_required_lib("libvirt-python"), exception=LIBVIRT_IMPORT_ERROR)
    params = module.params
    which = one_from(params)
    wish = SnapshotWish(**{name: params[name] for name in WISH_OPTIONS})
    try:
        with Hypervisor.open(host_uri(params)) as hypervisor:
            outcome = ensure_snapshot(hypervisor, which, wish, check=module.check_mode)
    except HostlerError as error:
        module.fail_json(msg=error.message, code=error.code, field=error.field)
    module.exit_json(**outcome)


if __name__ == "__main__":
    main()
