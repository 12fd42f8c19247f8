#!/usr/bin/python
# Copyright: Hostler contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: image
short_description: A base image in a storage pool of a libvirt host, as it should be
version_added: 0.1.0
description:
  - Brings a base image, of which VMs are made, from a file or a web server into a storage pool, as a whole or not at all, and takes it
    away.
  - The bytes go on to libvirt as they come, and are looked at before any is written. Formats are qcow2, raw and iso. What is
    encrypted, packed or of another kind is refused, and so is a qcow2 that names other files, by which whoever made it could read
    the host's files.
  - What came is written down beside the image, so that the next run neither fetches nor reads it again.
extends_documentation_fragment:
  - hostler.libvirt.connection
  - hostler.libvirt.connection.attributes
attributes:
  check_mode:
    details: The beginning of the image is fetched, to see what it is.
  idempotent:
    support: partial
    details: With O(force) each run brings it anew.
options:
  name:
    description:
      - The image's name, that of its volume. It must not begin with a dot, nor be what disks of VMs are called.
      - An ending C(.qcow2), C(.raw) or C(.iso) says what it has to be.
    type: str
    required: true
  pool:
    description: Its storage pool, one of files (dir, fs, netfs), which has to be active.
    type: str
    default: default
  state:
    description:
      - V(present) brings it, unless what is there is what it should be. What is there and is not gets replaced, which is an error if
        a VM has it, or a volume is built on it.
      - V(absent) deletes it, which is an error then, too.
    type: str
    choices: [present, absent]
    default: present
  path:
    description:
      - A file on the machine that the task runs on, a plain absolute path. This or O(url) is needed for V(present).
      - Without O(checksum) what is there is right if it came from this file and that has had its size and time since; else both
        are read and compared.
    type: str
  url:
    description:
      - A URL that begins with C(https://), C(http://) or C(file://). Redirections are followed to the web only, and never from
        C(https) to C(http). It must not hold a login.
      - Without O(checksum) what is there is right if it came from this URL, and the server's ETag and time are what they were
        then; if the server says neither, it is right until O(force). An image that was put there by other means is
        taken for it.
      - What replaces another image is first kept in the task's temporary folder, until it is known to be right.
    type: str
  url_username:
    description: The user for the server of O(url), by HTTP's basic scheme. No other server is told.
    type: str
  url_password:
    description: The password for the server of O(url).
    type: str
  validate_certs:
    description: Whether a server's certificate has to be valid.
    type: bool
    default: true
  checksum:
    description:
      - V(sha256:) or V(sha512:) and the checksum of the whole image, in hexadecimal; another image is refused.
      - In place of the digits the URL of a list may stand, C(http) or C(https), such as C(SHA256SUMS), which has a line for the name that the
        file has at its source.
      - What is there is right if it has this checksum, wherever it came from.
    type: str
  format:
    description: What it has to be. Where it is left out, the ending of its name says it, or else it is what it is.
    type: str
    choices: [qcow2, raw, iso]
  force:
    description:
      - Whether V(present) brings it anew, whatever is there.
      - Whether what an upload has left that was cut off is taken away. Without it that is an error, as somebody else may be
        uploading it.
    type: bool
    default: false
  timeout:
    description: How many seconds a server may be silent; and what a list of checksums may take in all.
    type: float
    default: 30
notes:
  - Tokens in the query of O(url) are not in what this module answers; Ansible shows the options of a task with C(-vvv), unless the task
    has C(no_log).
seealso:
  - module: hostler.libvirt.volume
  - module: hostler.libvirt.vm
author:
  - Hostler contributors (@hostler)
"""

EXAMPLES = r"""
- name: A cloud image, as its maker's list of checksums has it
  hostler.libvirt.image:
    name: debian-13.qcow2
    url: https://cloud.debian.org/images/cloud/trixie/latest/debian-13-genericcloud-amd64.qcow2
    checksum: sha512:https://cloud.debian.org/images/cloud/trixie/latest/SHA512SUMS

- name: An installation medium that lies on the host
  hostler.libvirt.image:
    name: installer.iso
    path: /srv/installer.iso
    pool: isos

- name: It is no longer needed
  hostler.libvirt.image:
    name: installer.iso
    pool: isos
    state: absent
"""

RETURN = r"""
image:
  description: The image as it is after the task; in check mode, as it was before. None where there is none, or none that is whole.
  returned: success
  type: dict
  contains:
    name:
      description: Its name.
      returned: always
      type: str
    pool:
      description: The name of its pool.
      returned: always
      type: str
    path:
      description: Where it is on the host.
      returned: always
      type: str
    format:
      description: Its format.
      returned: always
      type: str
    size_gb:
      description: Its virtual size in GiB, the least size of a disk that is made of it.
      returned: always
      type: float
    capacity:
      description: Its virtual size in bytes.
      returned: always
      type: int
    allocation:
      description: What it takes of its pool, in bytes.
      returned: always
      type: int
    size:
      description: The length of its file in bytes.
      returned: always
      type: int
    checksums:
      description: Its checksums by algorithm, as far as they are known of the file that is there.
      returned: always
      type: dict
  sample:
    name: debian-13.qcow2
    pool: default
    path: /var/lib/libvirt/images/debian-13.qcow2
    format: qcow2
    size_gb: 3.0
    capacity: 3221225472
    allocation: 343932928
    size: 343867392
    checksums:
      sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
plan:
  description: The steps, in order, each with when it takes effect (V(now)).
  returned: success
  type: list
  elements: dict
  sample:
    - title: Bring image 'debian-13.qcow2' in storage pool 'default'
      applies: now
code:
  description: What went wrong, as a word for programs that stays the same.
  returned: failure
  type: str
  sample: invalid_spec
field:
  description: The option that caused it, where one did.
  returned: failure
  type: str
  sample: checksum
"""

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.ensure_image import ensure_image
from ansible_collections.hostler.libvirt.plugins.module_utils.disk_image import FORMATS
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostlerError
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.library import LIBVIRT_IMPORT_ERROR
from ansible_collections.hostler.libvirt.plugins.module_utils.options import CONNECTION_OPTIONS, host_uri
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.wanted_image import STATES, WantedImage

# named as in the core's WantedImage
IMAGE_OPTIONS = dict(
    name=dict(type="str", required=True),
    pool=dict(type="str", default="default"),
    state=dict(type="str", choices=list(STATES), default="present"),
    path=dict(type="str"),
    url=dict(type="str"),
    url_username=dict(type="str"),
    url_password=dict(type="str", no_log=True),
    validate_certs=dict(type="bool", default=True),
    checksum=dict(type="str"),
    format=dict(type="str", choices=list(FORMATS)),
    force=dict(type="bool", default=False),
    timeout=dict(type="float", default=30),
)


def main() -> None:
    module = AnsibleModule(argument_spec=dict(**CONNECTION_OPTIONS, **IMAGE_OPTIONS), supports_check_mode=True)
    if LIBVIRT_IMPORT_ERROR is not None:
        module.fail_json(msg=missing_required_lib("libvirt-python"), exception=LIBVIRT_IMPORT_ERROR)
    params = module.params
    wanted = WantedImage(**{name: params[name] for name in IMAGE_OPTIONS})
    try:
        with Hypervisor.open(host_uri(params)) as hypervisor:
            outcome = ensure_image(hypervisor, wanted, module.tmpdir, check=module.check_mode)
    except HostlerError as error:
        module.fail_json(msg=error.message, code=error.code, field=error.field)
    module.exit_json(**outcome)


if __name__ == "__main__":
    main()
