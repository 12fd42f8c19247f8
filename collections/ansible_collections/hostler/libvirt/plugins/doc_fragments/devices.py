# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules say that are about a device of one VM."""

from __future__ import annotations


class ModuleDocFragment:
    """Documentation of the options that say whose device it is and when it may be changed."""

    DOCUMENTATION = r"""
options:
  name:
    description:
      - The VM's name. One of O(name) and O(uuid) is needed.
    type: str
  uuid:
    description: The VM's UUID. With O(name) the VM has to have both.
    type: str
  live:
    description:
      - Whether the device of a VM that runs may be changed; without it that is an error, where there is anything to do.
      - The definition is changed with the running VM, so that it starts again with what it has.
      - What can't be done while it runs is written into its definition, and RV(next_boot) says so.
    type: bool
    default: false
"""
