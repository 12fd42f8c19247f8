#!/usr/bin/python
# Copyright: Hostler contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: pool
short_description: Storage pools of a libvirt host, as they should be
version_added: 0.1.0
description:
  - Defines a storage pool, changes its definition, starts and stops it, has it start with the host, and takes it away, with
    what is in it only where that is asked for.
  - What is not named stays as it is.
  - Passwords of servers are secrets of libvirt's, which a pool only refers to.
extends_documentation_fragment:
  - hostler.libvirt.connection
  - hostler.libvirt.connection.attributes
attributes:
  idempotent:
    details:
      - With O(xml), as far as libvirt writes the definition as it was given; what it fills in by itself is no change.
options:
  name:
    description:
      - The pool's name.
      - Is needed unless O(xml) has it.
    type: str
  state:
    description:
      - V(present) defines it, and leaves it active or inactive as it is; a new one is inactive.
      - V(active) defines it and starts it; V(inactive) defines it and stops it. The volumes of a pool that is inactive can't be
        reached, and stay as they are.
      - V(absent) stops and undefines it. Its content stays unless O(delete_content).
    type: str
    choices: [present, active, inactive, absent]
    default: present
  type:
    description:
      - The kind of pool. A new one needs it, unless there is O(xml); the type of one that is there can't be changed.
      - Which types a host has depends on how its libvirt is built; C(virsh pool-capabilities) shows it.
    type: str
    choices: [dir, fs, netfs, logical, disk, iscsi, rbd, zfs]
  path:
    description:
      - The pool's folder on the host, a plain absolute path, which types V(dir), V(fs) and V(netfs) need.
      - V(disk) and V(iscsi) have C(/dev) and C(/dev/disk/by-path) where it is left out. For V(logical), V(rbd) and V(zfs) libvirt
        knows it.
      - Another one than the pool has moves nothing; the pool has what is in the other folder then.
    type: str
  source:
    description:
      - Where the pool has its content from. Of a pool that is there only what is named changes.
      - V(fs) needs one of RV(ignore:devices); V(netfs) one of RV(ignore:hosts) and RV(ignore:path); V(disk) one of
        RV(ignore:devices); V(iscsi) one of RV(ignore:hosts) and one of RV(ignore:devices); V(rbd) RV(ignore:hosts) and
        RV(ignore:name); V(zfs) RV(ignore:name).
    type: dict
    suboptions:
      hosts:
        description: The servers, each a name or an address, with its port after a colon if it is not the usual one.
        type: list
        elements: str
      path:
        description: The folder that a V(netfs) server exports.
        type: str
      devices:
        description:
          - Block devices of V(fs), V(disk), and, where the pool is to be made on them, V(logical) and V(zfs).
          - The IQN of the target for V(iscsi).
        type: list
        elements: str
      name:
        description:
          - What it is called at its source, the volume group of V(logical), the pool of V(rbd) or V(zfs).
          - A volume group that is not named is called as the pool.
        type: str
      format:
        description:
          - The kind of file system of V(fs) and V(netfs), or of partition table of V(disk), such as V(ext4), V(nfs), V(gpt).
          - Where it is left out, libvirt finds it out, or takes what is usual.
        type: str
      initiator:
        description: The IQN by which this host logs in, for V(iscsi).
        type: str
      auth:
        description: How the server of V(iscsi) or V(rbd) is told who asks. It replaces what was there as a whole.
        type: dict
        suboptions:
          type:
            description: V(chap) for V(iscsi), V(ceph) for V(rbd).
            type: str
            choices: [chap, ceph]
            required: true
          username:
            description: The user.
            type: str
            required: true
          secret_uuid:
            description: The UUID of the libvirt secret that has the password. This or O(source.auth.secret_usage) is needed.
            type: str
          secret_usage:
            description: The usage name of that secret.
            type: str
  mode:
    description:
      - The permissions of the folder of V(dir), V(fs) and V(netfs), octal, with a leading zero and in quotes, as in V('0711').
      - They are given to the folder while the pool is inactive; for one that is active another value is an error.
    type: str
  owner:
    description: The number of the user whose folder it is. Goes with what O(mode) goes with.
    type: int
  group:
    description: The number of the folder's group. Goes with what O(mode) goes with.
    type: int
  xml:
    description:
      - Libvirt's XML of the pool, in place of O(type), O(path), O(source), O(mode), O(owner) and O(group), for other types and
        settings. The pool is what it says; what libvirt fills in by itself stays.
      - It must not hold a password.
    type: str
  autostart:
    description: Whether the pool starts with the host. A new one where it is left out does not.
    type: bool
  build:
    description:
      - What is made for a pool that is defined anew.
      - V(folder) makes the folder of V(dir), V(fs) and V(netfs), if it is missing, and nothing else.
      - V(new) also makes what lies on devices, the file system of V(fs), the partition table of V(disk), the volume group of V(logical),
        the pool of V(zfs); devices that hold anything are refused.
      - V(overwrite) is the same, but B(what the devices hold is lost).
      - V(none) makes nothing.
    type: str
    choices: [folder, new, overwrite, none]
    default: folder
  refresh:
    description:
      - Whether libvirt looks again at what is in the pool, if it is active. That is never a change, and check mode leaves it.
    type: bool
    default: false
  delete_content:
    description:
      - Whether O(state=absent) deletes all volumes of the pool, and then the empty folder of V(dir) or V(fs), or the volume group of
        V(logical). B(It can't be taken back.) Pools of other types are refused, as others may need what is on their servers.
      - It is refused as a whole if a VM has one of them, running or not, if another pool's volume is built on one, if there are
        folders among them, if the pool is inactive, since nobody can see what is in it then, or if its definition waits for its
        next start.
    type: bool
    default: false
  force:
    description: Whether a pool is stopped though a VM runs that has a disk in it; without it that is an error.
    type: bool
    default: false
  timeout:
    description:
      - How many seconds each step may take. What takes longer, as with a server that does not answer, is given up, and the
        error says that libvirt may still be at it.
    type: float
    default: 60
seealso:
  - module: hostler.libvirt.pool_info
  - module: hostler.libvirt.volume
author:
  - Hostler contributors (@hostler)
"""

EXAMPLES = r"""
- name: A folder for disks, there whenever the host is
  hostler.libvirt.pool:
    name: vm-disks
    type: dir
    path: /srv/vm-disks
    mode: "0711"
    state: active
    autostart: true

- name: What an NFS server exports, not mounted yet
  hostler.libvirt.pool:
    name: nfs-isos
    type: netfs
    path: /srv/nfs-isos
    source:
      hosts: [nfs.example.com]
      path: /export/isos

- name: A volume group that is there
  hostler.libvirt.pool:
    name: fast
    type: logical
    source:
      name: vg_fast

- name: An iSCSI target, whose password is the libvirt secret with the usage name iscsi-target
  hostler.libvirt.pool:
    name: san
    type: iscsi
    source:
      hosts: [san.example.com]
      devices: ["iqn.2024-05.com.example:vms"]
      auth:
        type: chap
        username: host1
        secret_usage: iscsi-target

- name: Whatever else libvirt knows
  hostler.libvirt.pool:
    xml: |
      <pool type='scsi'>
        <name>hba</name>
        <source><adapter name='host0'/></source>
        <target><path>/dev/disk/by-path</path></target>
      </pool>

- name: No longer, and all that was in it
  hostler.libvirt.pool:
    name: vm-disks
    state: absent
    delete_content: true
"""

RETURN = r"""
pool:
  description:
    - The pool as it is after the task; in check mode, as it was before. None where there is none.
    - M(hostler.libvirt.pool_info) describes what it has.
  returned: success
  type: dict
  sample:
    name: vm-disks
    uuid: 12345678-1234-1234-1234-123456789012
    type: dir
    state: active
    persistent: true
    autostart: true
    path: /srv/vm-disks
    capacity: 270553174016
    allocation: 30603898880
    available: 239949275136
    next_start: []
plan:
  description:
    - The steps, in order, each with when it takes effect, V(now), or V(next_start) for what the definition of an active pool gets.
  returned: success
  type: list
  elements: dict
  sample:
    - title: Define storage pool 'vm-disks'
      applies: now
next_start:
  description: The options whose value the pool, which is active, gets when it is started the next time.
  returned: success
  type: list
  elements: str
  sample: []
deleted_volumes:
  description: Paths of the volumes that were deleted, or in check mode would be.
  returned: success
  type: list
  elements: str
  sample: []
code:
  description: What went wrong, as a word for programs that stays the same.
  returned: failure
  type: str
  sample: pool_not_found
field:
  description: The option that caused it, where one did.
  returned: failure
  type: str
  sample: type
"""

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.ensure_pool import ensure_pool
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostlerError
from ansible_collections.hostler.libvirt.plugins.module_utils.fields import object_from
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.library import LIBVIRT_IMPORT_ERROR
from ansible_collections.hostler.libvirt.plugins.module_utils.options import CONNECTION_OPTIONS, host_uri
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.wanted_pool import BUILDS, STATES, WantedPool
from ansible_collections.hostler.libvirt.plugins.module_utils.storage_pool import AUTH_TYPES, TYPES

# named as in the core's PoolSource
SOURCE_OPTIONS = dict(
    hosts=dict(type="list", elements="str"),
    path=dict(type="str"),
    devices=dict(type="list", elements="str"),
    name=dict(type="str"),
    format=dict(type="str"),
    initiator=dict(type="str"),
    auth=dict(
        type="dict",
        options=dict(
            type=dict(type="str", choices=list(AUTH_TYPES), required=True),
            username=dict(type="str", required=True),
            # both only name a secret, and are shown by libvirt to everybody
            secret_uuid=dict(type="str", no_log=False),
            secret_usage=dict(type="str", no_log=False),
        ),
    ),
)

# named as in the core's WantedPool
POOL_OPTIONS = dict(
    name=dict(type="str"),
    state=dict(type="str", choices=list(STATES), default="present"),
    type=dict(type="str", choices=list(TYPES)),
    path=dict(type="str"),
    source=dict(type="dict", options=SOURCE_OPTIONS),
    mode=dict(type="str"),
    owner=dict(type="int"),
    group=dict(type="int"),
    xml=dict(type="str"),
    autostart=dict(type="bool"),
    build=dict(type="str", choices=list(BUILDS), default="folder"),
    refresh=dict(type="bool", default=False),
    delete_content=dict(type="bool", default=False),
    force=dict(type="bool", default=False),
    timeout=dict(type="float", default=60),
)


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(**CONNECTION_OPTIONS, **POOL_OPTIONS),
        required_one_of=[("name", "xml")],
        supports_check_mode=True,
    )
    if LIBVIRT_IMPORT_ERROR is not None:
        module.fail_json(msg=missing_required_lib("libvirt-python"), exception=LIBVIRT_IMPORT_ERROR)
    params = module.params
    try:
        wanted = object_from(WantedPool, {name: params[name] for name in POOL_OPTIONS}, "a pool")
        with Hypervisor.open(host_uri(params)) as hypervisor:
            outcome = ensure_pool(hypervisor, wanted, check=module.check_mode)
    except HostlerError as error:
        module.fail_json(msg=error.message, code=error.code, field=error.field)
    module.exit_json(**outcome)


if __name__ == "__main__":
    main()
