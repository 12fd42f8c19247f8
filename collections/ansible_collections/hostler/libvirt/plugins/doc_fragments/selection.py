# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules say that are about one, some or all VMs of a host."""

from __future__ import annotations


class ModuleDocFragment:
    """Documentation of the options that choose VMs."""

    DOCUMENTATION = r"""
options:
  name:
    description:
      - Names of VMs, in full.
      - What O(name), O(uuid) and O(pattern) choose is added up, each VM once. An empty list chooses nothing.
      - Ansible splits a text at its commas, so a name with a comma has to stand in a list.
    type: list
    elements: str
  uuid:
    description: UUIDs of VMs.
    type: list
    elements: str
  pattern:
    description:
      - Patterns of names as a shell has them, with V(*), V(?) and V([ab]); they tell capital letters from small ones.
      - V(*) is every VM of the host. A pattern that no name fits chooses nothing, which is no error.
    type: list
    elements: str
"""
