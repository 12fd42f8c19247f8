# SPDX-License-Identifier: GPL-3.0-or-later
"""What VMs of several hosts are called in an inventory.

Whoever may name a VM must not be able to say more than a name by it: patterns of Ansible, options of ssh and templates
are written with characters that a name here does not have, and nobody's VM is the machine that Ansible runs on.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Dict, List, NamedTuple, Sequence

SCHEMES = ("name", "uuid", "name_host")

_NEVER = re.compile(r"[^\w.-]")
_NEVER_FIRST = re.compile(r"^[.-]")
_RESERVED = ("localhost", "127.0.0.1", "all", "ungrouped")


class Named(NamedTuple):
    """A VM: the name of its host, its own, and its UUID."""

    host: str
    name: str
    uuid: str


class Clash(NamedTuple):
    """VMs that would have had one ``name``, and what they are called instead."""

    name: str
    instead: List[str]


class InventoryNames(NamedTuple):
    """A name for each VM, in their order, no two alike; and what had to be done for that."""

    names: List[str]
    clashes: List[Clash]


def inventory_names(vms: Sequence[Named], scheme: str) -> InventoryNames:
    """Names by one of `SCHEMES`.

    VMs that would have the same are all called by their name and host, or UUID and host; should that not be enough, by
    name, host and the beginning of the UUID.
    """
    wanted = [_by(scheme, vm) for vm in vms]
    longer = [f"{_plain(vm.uuid if scheme == 'uuid' else vm.name)}_{_plain(vm.host)}" for vm in vms]
    longest = [f"{_plain(vm.name)}_{_plain(vm.host)}_{vm.uuid[:8]}" for vm in vms]
    names = _without_clashes(_without_clashes(wanted, longer), longest)
    instead: Dict[str, List[str]] = {}
    for old, new in zip(wanted, names):
        if old != new:
            instead.setdefault(old, []).append(new)
    return InventoryNames(names, [Clash(*one) for one in instead.items()])


def _without_clashes(names: List[str], others: List[str]) -> List[str]:
    taken = Counter(names)
    return [other if taken[name] > 1 or name.lower() in _RESERVED else name for name, other in zip(names, others)]


def _by(scheme: str, vm: Named) -> str:
    if scheme == "uuid":
        return _plain(vm.uuid)
    return _plain(vm.name) if scheme == "name" else f"{_plain(vm.name)}_{_plain(vm.host)}"


def _plain(text: str) -> str:
    return _NEVER_FIRST.sub("_", _NEVER.sub("_", text))
