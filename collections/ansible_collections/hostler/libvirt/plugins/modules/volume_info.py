#!/usr/bin/python
# Copyright: Hostler contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: volume_info
short_description: What volumes the storage pools of a libvirt host have, and who uses them
version_added: 0.1.0
description:
  - Tells of the volumes of one, some or all active storage pools, whoever made them.
  - A volume that is not there is no error; its entry says so.
  - A pool that libvirt can't read, or is busy with, keeps nobody waiting for longer than O(timeout), and spoils no other pool's entries.
    RV(unreadable) says what could not be read.
extends_documentation_fragment:
  - hostler.libvirt.connection
  - hostler.libvirt.connection.attributes
attributes:
  diff_mode:
    support: N/A
    details: Nothing is ever changed.
options:
  name:
    description: The names of the volumes to be told of; all where it is left out. An empty list is none.
    type: list
    elements: str
  pool:
    description: The names of the pools to be looked into; all active ones where it is left out.
    type: list
    elements: str
  users:
    description:
      - Whether it is told who uses a volume. That takes a few calls to libvirt for each VM of the host, and one for each volume.
    type: bool
    default: true
  refresh:
    description:
      - Whether libvirt first looks again at what is in the pools. Without it what others have put into a folder is not known, and sizes
        are those of the last look.
    type: bool
    default: false
  timeout:
    description: How many seconds each pool may take, and the question who uses the volumes, at least 1.
    type: float
    default: 30
seealso:
  - module: hostler.libvirt.volume
  - module: hostler.libvirt.pool_info
author:
  - Hostler contributors (@hostler)
"""

EXAMPLES = r"""
- name: All volumes of a pool
  hostler.libvirt.volume_info:
    pool: [default]
  register: found

- name: Those that nobody uses
  ansible.builtin.debug:
    msg: "{{ found.volumes | selectattr('vms', 'eq', []) | selectattr('overlays', 'eq', []) | map(attribute='name') }}"
"""

RETURN = r"""
volumes:
  description: The volumes by pool and name; after them those of O(name) that no such pool has.
  returned: success
  type: list
  elements: dict
  contains:
    exists:
      description: Whether it is there. Where it is not, there is only its RV(volumes[].name) beside this.
      returned: always
      type: bool
    name:
      description: Its name.
      returned: always
      type: str
    pool:
      description: The name of its pool.
      returned: if it is there
      type: str
    path:
      description: Where it is on the host, or what its server calls it.
      returned: if it is there
      type: str
    type:
      description: What it is, V(file), V(block), V(dir), V(network) or V(netdir).
      returned: if it is there
      type: str
    format:
      description: Its format, in libvirt's words; none of what has no format.
      returned: if it is there
      type: str
    size_gb:
      description: Its virtual size in GiB.
      returned: if it is there
      type: float
    capacity:
      description: Its virtual size in bytes.
      returned: if it is there
      type: int
    allocation:
      description: What it takes of its pool, in bytes.
      returned: if it is there
      type: int
    backing_path:
      description: The file that it is built on; none where it is whole.
      returned: if it is there
      type: str
    vms:
      description: The names of the VMs that have it, as a disk, in a drive, or below a disk.
      returned: if it is there and O(users=true)
      type: list
      elements: str
    overlays:
      description: The volumes that are built on it, each with its RV(ignore:pool) and RV(ignore:name).
      returned: if it is there and O(users=true)
      type: list
      elements: dict
  sample:
    - exists: true
      name: debian-12.qcow2
      pool: default
      path: /var/lib/libvirt/images/debian-12.qcow2
      type: file
      format: qcow2
      size_gb: 2.0
      capacity: 2147483648
      allocation: 343932928
      backing_path:
      vms: []
      overlays:
        - pool: default
          name: web.qcow2
unreadable:
  description: What could not be read, a pool that is not there or not active, or a volume, and why.
  returned: success
  type: list
  elements: str
  sample: []
code:
  description: What went wrong, as a word for programs that stays the same.
  returned: failure
  type: str
  sample: host_unreachable
field:
  description: The option that caused it, where one did.
  returned: failure
  type: str
  sample: timeout
"""

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.gather_volumes import (
    VolumeInquiry,
    gather_volumes,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostlerError
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.library import LIBVIRT_IMPORT_ERROR
from ansible_collections.hostler.libvirt.plugins.module_utils.options import CONNECTION_OPTIONS, host_uri

# named as in the core's VolumeInquiry
INQUIRY_OPTIONS = dict(
    name=dict(type="list", elements="str"),
    pool=dict(type="list", elements="str"),
    users=dict(type="bool", default=True),
    refresh=dict(type="bool", default=False),
    timeout=dict(type="float", default=30),
)


def main() -> None:
    module = AnsibleModule(argument_spec=dict(**CONNECTION_OPTIONS, **INQUIRY_OPTIONS), supports_check_mode=True)
    if LIBVIRT_IMPORT_ERROR is not None:
        module.fail_json(msg=missing_required_lib("libvirt-python"), exception=LIBVIRT_IMPORT_ERROR)
    params = module.params
    names, pools = (None if params[one] is None else tuple(params[one]) for one in ("name", "pool"))
    inquiry = VolumeInquiry(names, pools, params["users"], params["refresh"], params["timeout"])
    try:
        with Hypervisor.open(host_uri(params)) as hypervisor:
            found = gather_volumes(hypervisor, inquiry)
    except HostlerError as error:
        module.fail_json(msg=error.message, code=error.code, field=error.field)
    module.exit_json(changed=False, volumes=found.volumes, unreadable=found.unreadable)


if __name__ == "__main__":
    main()
