#!/usr/bin/python
# Copyright: Hostler contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: pool_info
short_description: What one, some or all storage pools of a libvirt host are
version_added: 0.1.0
description:
  - Tells of storage pools, active or not, how they are defined, and what they have room for.
  - A pool that is not there is no error; its entry says so.
  - A pool that libvirt can't read, or is busy with, keeps nobody waiting for longer than O(timeout), and spoils no other pool's entry.
    RV(pools[].unreadable) says what of it could not be read. But while libvirt starts or refreshes a pool whose server does not answer,
    it can't list its pools; those that are named in O(name) are told of all the same.
extends_documentation_fragment:
  - hostler.libvirt.connection
  - hostler.libvirt.connection.attributes
attributes:
  diff_mode:
    support: N/A
    details: Nothing is ever changed.
options:
  name:
    description: The names of the pools to be told of; all pools of the host where it is left out. An empty list is none.
    type: list
    elements: str
  volumes:
    description: Whether the names of the volumes of active pools are told, too. M(hostler.libvirt.volume_info) tells more of them.
    type: bool
    default: false
  refresh:
    description:
      - Whether libvirt first looks again at what is in the pools that are active. Without it what others have put into a folder is
        not known, and figures are those of the last look.
    type: bool
    default: false
  timeout:
    description: How many seconds each pool may take, at least 1.
    type: float
    default: 10
seealso:
  - module: hostler.libvirt.pool
  - module: hostler.libvirt.volume_info
author:
  - Hostler contributors (@hostler)
"""

EXAMPLES = r"""
- name: All pools of the host
  hostler.libvirt.pool_info:
  register: found

- name: Those that are nearly full
  ansible.builtin.debug:
    msg: "{{ found.pools | selectattr('state', 'eq', 'active') | selectattr('available', 'lt', 10737418240) | map(attribute='name') }}"

- name: What is in one of them, as it is on the disk now
  hostler.libvirt.pool_info:
    name: [default]
    volumes: true
    refresh: true
"""

RETURN = r"""
pools:
  description: The pools, in the order of O(name), or of their names.
  returned: success
  type: list
  elements: dict
  contains:
    exists:
      description: Whether the host has it. Where it has not, there is only its RV(pools[].name) beside this.
      returned: always
      type: bool
    name:
      description: Its name.
      returned: always
      type: str
    unreadable:
      description: What of it could not be read, and why; the rest may be missing then.
      returned: if it is there
      type: list
      elements: str
    uuid:
      description: Its UUID.
      returned: if it is there
      type: str
    type:
      description: Its type, in libvirt's words.
      returned: if it is there
      type: str
    state:
      description: V(active) if its volumes can be reached, else V(inactive).
      returned: if it is there
      type: str
    persistent:
      description: Whether it is defined; one that is not is gone once it is stopped.
      returned: if it is there
      type: bool
    autostart:
      description: Whether it starts with the host.
      returned: if it is there
      type: bool
    path:
      description: The folder or device directory of its volumes; none where it has none.
      returned: if it is there
      type: str
    mode:
      description: The folder's permissions, octal; none where libvirt does not know them.
      returned: if it is there
      type: str
    owner:
      description: The number of the folder's owner.
      returned: if it is there
      type: int
    group:
      description: The number of the folder's group.
      returned: if it is there
      type: int
    source:
      description: Where its content comes from, named as in M(hostler.libvirt.pool); none of what it does not have.
      returned: if it is there
      type: dict
    capacity:
      description: What it can hold in all, in bytes; none of an inactive one.
      returned: if it is there
      type: int
    allocation:
      description: What of that is taken, in bytes.
      returned: if it is there
      type: int
    available:
      description: What of that is free, in bytes.
      returned: if it is there
      type: int
    next_start:
      description: The options of M(hostler.libvirt.pool) whose value it gets when it is started the next time.
      returned: if it is there
      type: list
      elements: str
    volumes:
      description: The names of its volumes; none of an inactive one.
      returned: if it is there and O(volumes=true)
      type: list
      elements: str
  sample:
    - exists: true
      name: default
      uuid: 12345678-1234-1234-1234-123456789012
      type: dir
      state: active
      persistent: true
      autostart: true
      path: /var/lib/libvirt/images
      mode: "0711"
      owner: 0
      group: 0
      source:
        hosts:
        path:
        devices:
        name:
        format:
        initiator:
        auth:
      capacity: 270553174016
      allocation: 30603898880
      available: 239949275136
      next_start: []
      unreadable: []
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

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.gather_pools import PoolInquiry, gather_pools
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostlerError
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.library import LIBVIRT_IMPORT_ERROR
from ansible_collections.hostler.libvirt.plugins.module_utils.options import CONNECTION_OPTIONS, host_uri

# named as in the core's PoolInquiry
INQUIRY_OPTIONS = dict(
    name=dict(type="list", elements="str"),
    volumes=dict(type="bool", default=False),
    refresh=dict(type="bool", default=False),
    timeout=dict(type="float", default=10),
)


def main() -> None:
    module = AnsibleModule(argument_spec=dict(**CONNECTION_OPTIONS, **INQUIRY_OPTIONS), supports_check_mode=True)
    if LIBVIRT_IMPORT_ERROR is not None:
        module.fail_json(msg=missing_required_lib("libvirt-python"), exception=LIBVIRT_IMPORT_ERROR)
    params = module.params
    names = None if params["name"] is None else tuple(params["name"])
    inquiry = PoolInquiry(names, params["volumes"], params["refresh"], params["timeout"])
    try:
        with Hypervisor.open(host_uri(params)) as hypervisor:
            pools = gather_pools(hypervisor, inquiry)
    except HostlerError as error:
        module.fail_json(msg=error.message, code=error.code, field=error.field)
    module.exit_json(changed=False, pools=pools)


if __name__ == "__main__":
    main()
