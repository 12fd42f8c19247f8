# SPDX-License-Identifier: GPL-3.0-or-later
"""What a network can't be, as far as it can be told before libvirt has to."""

from __future__ import annotations

import ipaddress
from collections import Counter
from typing import Any, Iterable, Iterator, List, Mapping, Optional, Sequence

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import FieldError, InvalidSpec
from ansible_collections.hostler.libvirt.plugins.module_utils.network_entries import HOST_MODES
from ansible_collections.hostler.libvirt.plugins.module_utils.network_xml.edit import Misplaced

_OF_OWN_NETWORKS = (
    *("addresses", "dhcp_ranges", "dhcp_hosts", "dns_hosts", "dns_forwarders", "dns_srv", "dns_txt", "routes"),
    "domain",
)


def require_sound(data: Mapping[str, Any], misplaced: Iterable[Misplaced], named: Sequence[str]) -> None:
    """Raise `InvalidSpec` for ``data`` (`network_xml.read`) of a network that can't be; ``named`` are asked for.

    What nobody has asked for is not looked at: whoever wrote it may know better.
    """
    mode = data["forward"]["mode"]
    errors = list(_place_errors(data, mode, misplaced))
    if mode in HOST_MODES:
        errors += _host_mode_errors(data, mode, named)
    else:
        errors += _own_mode_errors(data, mode, named)
    if "vlan" in named and data["vlan"] and not data["openvswitch"] and mode not in ("hostdev", "passthrough"):
        errors.append(FieldError("vlan", "needs openvswitch, or forward.mode hostdev or passthrough"))
    if any(name.startswith("nat_") for name in data["forward"]) and mode != "nat" and "forward" in named:
        errors.append(FieldError("forward.mode", "must be nat for what is said of NAT"))
    if "domain_local" in named and data["domain_local"] and not data["domain"]:
        errors.append(FieldError("domain_local", "needs domain"))
    if "portgroups" in named and sum(1 for one in data["portgroups"] if one.get("default")) > 1:
        errors.append(FieldError("portgroups", "have more than one default"))
    if errors:
        raise InvalidSpec(errors)


def _place_errors(data: Mapping[str, Any], mode: str, misplaced: Iterable[Misplaced]) -> Iterator[FieldError]:
    for one in misplaced:
        path = f"{one.option}.{one.place}"
        if one.option == "interfaces":
            yield FieldError(path, "needs forward.mode bridge, private, vepa, passthrough or hostdev")
        elif mode not in HOST_MODES:  # else that it can't have any is said
            name = "start" if one.option == "dhcp_ranges" else "ip"
            yield FieldError(f"{path}.{name}", f"is in the subnet of none of the network's addresses{_has(data)}")


def _has(data: Mapping[str, Any]) -> str:
    return f" ({', '.join(data['addresses'])})" if data["addresses"] else ", which has none"


def _host_mode_errors(data: Mapping[str, Any], mode: str, named: Sequence[str]) -> Iterator[FieldError]:
    has = [name for name in _OF_OWN_NETWORKS if data[name]]
    for name in has:
        if name in named:
            yield FieldError(name, f"does not go with forward.mode {mode}: that network is the host's own")
    if any(name not in named for name in has):
        what = ", ".join(has)
        yield FieldError("forward.mode", f"{mode} is for a network of the host's own, and this one has {what}")
    if "dev" in data["forward"]:
        yield FieldError("forward.dev", f"does not go with forward.mode {mode}: name it in interfaces")
    if data["bridge"] and mode != "bridge":
        yield FieldError("bridge" if "bridge" in named else "forward.mode", f"mode {mode} goes without a bridge")
    if data["bridge"] and data["interfaces"]:
        yield FieldError("bridge", "goes without interfaces: guests are on the one or on the others")
    sources = (data["bridge"], data["interfaces"], data["forward"].get("physical_function"))
    if not any(sources):
        needed = "bridge or interfaces" if mode == "bridge" else "interfaces"
        yield FieldError("bridge" if mode == "bridge" else "interfaces", f"forward.mode {mode} needs {needed}")


def _own_mode_errors(data: Mapping[str, Any], mode: str, named: Sequence[str]) -> Iterator[FieldError]:
    forward = data["forward"]
    if "interfaces" in named and data["interfaces"]:
        yield FieldError("interfaces", f"does not go with forward.mode {mode}: forward.dev names the only way out")
    if "dns_enabled" in named and not data["dns_enabled"]:
        for name in ("dns_hosts", "dns_srv", "dns_txt", "dns_forwarders"):
            if data[name]:
                yield FieldError("dns_enabled", f"can't be false: the network has {name}")
    if "physical_function" in forward:
        yield FieldError("forward.physical_function", "goes with forward.mode hostdev or passthrough")
    if mode == "open" and "dev" in forward:
        yield FieldError("forward.dev", "does not go with forward.mode open")
    if mode in ("nat", "route") and not data["addresses"] and ("forward" in named or "addresses" in named):
        yield FieldError("addresses", f"are needed for forward.mode {mode}")
    yield from _dhcp_errors(data, named)


def _dhcp_errors(data: Mapping[str, Any], named: Sequence[str]) -> Iterator[FieldError]:
    subnets = [ipaddress.ip_interface(text) for text in data["addresses"]]
    served = set()
    for option, name in (("dhcp_ranges", "start"), ("dhcp_hosts", "ip")):
        for index, entry in enumerate(data[option]):
            subnet = _subnet_of(subnets, entry[name])
            served.add(subnet)
            if option not in named or subnet is None:
                continue
            path = f"{option}.{index}"
            if option == "dhcp_ranges" and ipaddress.ip_address(entry["end"]) not in subnet.network:
                yield FieldError(f"{path}.end", f"is not in the subnet of start ({subnet.network})")
            if option == "dhcp_hosts" and ipaddress.ip_address(entry["ip"]) == subnet.ip:
                yield FieldError(f"{path}.ip", "is the network's own address")
    # which libvirt has for one subnet of each family
    families = Counter(one.version for one in served if one is not None)
    for version, count in families.items():
        if count > 1 and ("dhcp_ranges" in named or "dhcp_hosts" in named):
            option = "dhcp_ranges" if "dhcp_ranges" in named else "dhcp_hosts"
            yield FieldError(option, f"are in {count} subnets of IPv{version}; libvirt has DHCP in one of them")
    if "dhcp_hosts" in named:
        kept = Counter(entry["ip"] for entry in data["dhcp_hosts"])
        for index, entry in enumerate(data["dhcp_hosts"]):
            if kept[entry["ip"]] > 1:
                yield FieldError(f"dhcp_hosts.{index}.ip", f"{entry['ip']} is kept for more than one card")
                return


def _subnet_of(subnets: List[Any], text: str) -> Optional[Any]:
    address = ipaddress.ip_address(text)
    return next((one for one in subnets if address in one.network), None)
