#!/usr/bin/python
# Copyright: Hostler contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: guest_file
short_description: Writes a file into a guest, or reads one, over its agent
version_added: 0.1.0
description:
  - Has a file of a guest hold what is given (O(content), O(src)), brings a file of a guest to where the task runs (O(dest)),
    or, where none of these is given, tells what it holds. It needs no network and no login, only C(qemu-guest-agent) in the
    guest.
  - A file that is there keeps its owner and its mode. It is written beside and taken over by the guest itself, so a
    connection that ends half-way leaves what was there; in Windows it is written in place.
  - It is for files of some megabytes; the agent is no fast way. A file of the guest that has more than 64 MiB is an error.
    Tasks that handle secrets want C(no_log).
extends_documentation_fragment:
  - hostler.libvirt.connection
  - hostler.libvirt.connection.attributes
options:
  name:
    description: The domain's name. One of O(name) and O(uuid) is needed.
    type: str
  uuid:
    description: The domain's UUID. Where O(name) is given, too, they must be of the same VM.
    type: str
  path:
    description: The file in the guest, by its full path.
    type: str
    required: true
  content:
    description: The text that it is to hold, as UTF-8.
    type: str
  src:
    description: A file of the machine on which the task runs, whose content it is to hold.
    type: path
  dest:
    description: A file of the machine on which the task runs, which is to hold what the guest's does.
    type: path
  mode:
    description:
      - The permissions that the guest's file is to have, as octal digits in quotes. Goes with O(content) and O(src).
      - Where it is left out a new file gets what the agent gives it.
    type: str
seealso:
  - module: hostler.libvirt.guest_exec
author:
  - Hostler contributors (@hostler)
"""

EXAMPLES = r"""
- name: Say hello to whoever logs in
  hostler.libvirt.guest_file:
    name: web-server-01
    path: /etc/motd
    content: "Looked after by Ansible\n"
    mode: "0644"

- name: Bring its log
  hostler.libvirt.guest_file:
    name: web-server-01
    path: /var/log/cloud-init.log
    dest: /tmp/web-server-01-cloud-init.log

- name: Read which system it is
  hostler.libvirt.guest_file:
    name: web-server-01
    path: /etc/os-release
  register: release

- name: Say it
  ansible.builtin.debug:
    msg: "{{ release.content | b64decode }}"
"""

RETURN = r"""
content:
  description: What the guest's file holds, as Base64.
  returned: where none of O(content), O(src) and O(dest) is given
  type: str
  sample: aGVsbG8K
size:
  description: How many bytes the guest's file has after the task, or in check mode would have.
  returned: success
  type: int
  sample: 6
checksum:
  description: The SHA-256 of these.
  returned: success
  type: str
  sample: 5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03
code:
  description: What went wrong, as a word for programs that stays the same.
  returned: failure
  type: str
  sample: agent_unavailable
field:
  description: The option that caused it, where one did.
  returned: failure
  type: str
  sample: path
"""

import base64
import hashlib
import os
import tempfile
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.guest_file import Placed, place, read_existing
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.one_machine import require_one
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import FieldError, HostlerError, InvalidSpec
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.library import LIBVIRT_IMPORT_ERROR
from ansible_collections.hostler.libvirt.plugins.module_utils.options import CONNECTION_OPTIONS, host_uri, one_from


def main() -> None:
    module = AnsibleModule(
        argument_spec=dict(
            name=dict(type="str"),
            uuid=dict(type="str"),
            path=dict(type="str", required=True),
            content=dict(type="str"),
            src=dict(type="path"),
            dest=dict(type="path"),
            mode=dict(type="str"),
            **CONNECTION_OPTIONS,
        ),
        required_one_of=[("name", "uuid")],
        mutually_exclusive=[("content", "src", "dest"), ("dest", "mode")],
        supports_check_mode=True,
    )
    if LIBVIRT_IMPORT_ERROR is not None:
        module.fail_json(msg=missing_required_lib("libvirt-python"), exception=LIBVIRT_IMPORT_ERROR)
    params = module.params
    try:
        given = given_content(params)
        with Hypervisor.open(host_uri(params)) as hypervisor:
            domain = require_one(hypervisor, one_from(params))
            if given is None:
                found = read_existing(domain, params["path"])
            else:
                placed = place(domain, params["path"], given, params["mode"], check=module.check_mode)
        if given is not None:
            module.exit_json(changed=placed.changed, diff=placed.diff(), **told(placed.after))
        if params["dest"] is None:
            module.exit_json(changed=False, content=base64.b64encode(found).decode(), **told(found))
        brought = bring(module, found, params["dest"])
    except HostlerError as error:
        module.fail_json(msg=error.message, code=error.code, field=error.field)
    module.exit_json(changed=brought.changed, diff=brought.diff(), **told(found))


def given_content(params: dict) -> bytes | None:
    """What the guest's file is to hold, None where it is to be read."""
    if params["src"] is not None:
        try:
            return Path(params["src"]).read_bytes()
        except OSError as error:
            raise InvalidSpec([FieldError("src", f"can't be read: {error.strerror}")]) from error
    if params["content"] is None and params["mode"] is not None:
        raise InvalidSpec([FieldError("mode", "goes with content and src only")])
    return None if params["content"] is None else params["content"].encode()


def bring(module: AnsibleModule, content: bytes, dest: str) -> Placed:
    """Have ``dest`` hold ``content``."""
    try:
        present = Path(dest).read_bytes() if Path(dest).exists() else None
        if present != content and not module.check_mode:
            handle, beside = tempfile.mkstemp(dir=module.tmpdir)
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            module.atomic_move(beside, dest)
    except OSError as error:
        raise InvalidSpec([FieldError("dest", f"can't be written: {error.strerror}")]) from error
    return Placed(present, content, None, None)


def told(content: bytes) -> dict:
    """What is said of a file besides what it holds."""
    return dict(size=len(content), checksum=hashlib.sha256(content).hexdigest())


if __name__ == "__main__":
    main()
