# SPDX-License-Identifier: GPL-3.0-or-later
"""What the inventory plugins have in common, whoever tells them of VMs: names, variables, groups and the cache."""

from __future__ import annotations

import hashlib
import json
import time
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable
from ansible.utils.unsafe_proxy import wrap_var

from ansible_collections.hostler.libvirt.plugins.module_utils.inventory_name import Named, inventory_names

# Ansible before 2.19 takes any text for a template that is not marked as none; since then it is the other way round
_TRUSTS_ALL = hasattr(wrap_var(""), "__UNSAFE__")

Vm = Dict[str, Any]
Answer = Dict[str, Any]
"""What somebody has told: ``at`` is when, in seconds of the epoch, ``vms`` the JSON of a list."""


class FoundVm(NamedTuple):
    """A VM, and where it was found."""

    host: str
    """What its libvirt host is called."""
    uri: str
    """The URI of that host's libvirt; empty for libvirt's own default."""
    vm: Vm
    """What is known of it: ``name``, ``uuid``, ``status``, ``tags``, ``ip_address``, all else as it comes."""
    variables: Mapping[str, Any]
    """Those of the inventory's author, which may be templates and win over all others."""


class VmInventory(BaseInventoryPlugin, Constructable, Cacheable):  # type: ignore[misc] # Ansible has no types
    """An inventory of VMs, with the options ``hostnames``, ``group_by``, ``connection``, and Ansible's own."""

    def _require_positive(self, *options: str) -> None:
        for option in options:
            if self.get_option(option) < 1:
                raise AnsibleParserError(f"{option}: must be at least 1")

    def _texts(self, option: str) -> Optional[Tuple[str, ...]]:
        given = self.get_option(option)
        # plain ones: what Ansible knows of them besides can't be written into a cache
        return None if given is None else tuple(str(one) for one in given)

    def _kept(self, path: str, cache: bool) -> Dict[str, Answer]:
        """The answers in the cache that are young enough, each by its mark; none where it may not be read."""
        try:
            kept = self._cache[self.get_cache_key(path)] if cache and self.get_option("cache") else {}
        except KeyError:
            return {}
        # answers may be older than the whole, which is written whenever one of them is new
        lifetime = self.get_option("cache_timeout")
        oldest = time.time() - lifetime if lifetime else 0
        return {mark: one for mark, one in kept.items() if one["at"] >= oldest}

    def _keep(self, path: str, answers: Dict[str, Answer]) -> None:
        if self.get_option("cache"):
            self._cache[self.get_cache_key(path)] = answers

    def _populate(self, found: Sequence[FoundVm]) -> None:
        named = inventory_names(
            [Named(one.host, one.vm["name"], one.vm["uuid"]) for one in found], self.get_option("hostnames")
        )
        for clash in named.clashes:
            self.display.warning(
                f"No VM alone can be called {clash.name} in the inventory; called instead: {', '.join(clash.instead)}"
            )
        for name, one in zip(named.names, found):
            self.inventory.add_host(name)
            # not by the inventory, which would look at each value of thousands of VMs to note that it is from here; nor
            # one by one: the host is new, and has nothing that they could be combined with
            self.inventory.get_host(name).vars.update(self._variables(one))
            self._group(name, one)

    def _variables(self, found: FoundVm) -> Dict[str, Any]:
        told = {
            "hostler_host": found.host,
            "hostler_uri": found.uri,
            "hostler_uuid": found.vm["uuid"],
            "hostler_vm": found.vm,
        }
        if found.vm["ip_address"] is not None:
            told["ansible_host"] = found.vm["ip_address"]
        if self.get_option("connection") == "guest_agent":
            told["ansible_connection"] = "hostler.libvirt.guest_agent"
        return {**(wrap_var(told) if _TRUSTS_ALL else told), **found.variables}

    def _group(self, name: str, found: FoundVm) -> None:
        kinds, vm = self.get_option("group_by"), found.vm
        groups = [f"host_{found.host}"] if "host" in kinds else []
        groups += [f"status_{vm['status']}"] if "status" in kinds else []
        groups += [f"os_type_{vm['os_type']}"] if "os_type" in kinds and vm.get("os_type") else []
        groups += [f"tag_{tag}" for tag in vm["tags"]] if "tag" in kinds else []
        for group in groups:
            self.inventory.add_child(self.inventory.add_group(self._sanitize_group_name(group)), name)
        if not any(self.get_option(option) for option in ("compose", "groups", "keyed_groups")):
            return  # what a host's variables are is as much work as all else here
        strict = self.get_option("strict")
        variables = self.inventory.get_host(name).get_vars()
        self._set_composite_vars(self.get_option("compose"), variables, name, strict=strict)
        self._add_host_to_composed_groups(self.get_option("groups"), {}, name, strict=strict)
        self._add_host_to_keyed_groups(self.get_option("keyed_groups"), {}, name, strict=strict)


def answer_of(vms: str) -> Answer:
    """What is told now: the JSON of a list of VMs."""
    # one text: Ansible's caches look at each value of what they read, for what only Ansible writes there
    return {"at": time.time(), "vms": vms}


def vms_of(answer: Answer) -> List[Vm]:
    """The VMs of an answer."""
    vms: List[Vm] = json.loads(answer["vms"])
    return vms


def mark_of(question: Any) -> str:
    """What an answer is kept under: another question has another answer. Nothing of the question can be read in it."""
    return hashlib.sha256(json.dumps(question, sort_keys=True).encode()).hexdigest()
