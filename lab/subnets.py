# SPDX-License-Identifier: GPL-3.0-or-later
"""Choose a subnet that nobody on the machine uses."""

import json
from collections.abc import Iterable
from ipaddress import IPv4Interface, IPv4Network
from itertools import chain
from typing import Any

from lab.commands import run
from lab.errors import LabError


def taken_subnets() -> list[IPv4Network]:
    """Answer every IPv4 network that an address or a route of the machine lies in."""
    addresses = json.loads(run("ip", "-json", "-4", "address") or "[]")
    routes = json.loads(run("ip", "-json", "-4", "route", "show", "table", "all") or "[]")
    return [*subnets_of_addresses(addresses), *subnets_of_routes(routes)]


def subnets_of_addresses(links: Iterable[dict[str, Any]]) -> list[IPv4Network]:
    """Read what ``ip -json address`` answers."""
    return [
        IPv4Interface(f"{address['local']}/{address['prefixlen']}").network
        for link in links
        for address in link.get("addr_info", [])
        if "local" in address
    ]


def subnets_of_routes(routes: Iterable[dict[str, str]]) -> list[IPv4Network]:
    """Read what ``ip -json route`` answers; the default route takes no network away."""
    return [IPv4Network(route["dst"], strict=False) for route in routes if route.get("dst", "default") != "default"]


def free_subnet(taken: Iterable[IPv4Network]) -> IPv4Network:
    """Choose a /24 for a host that overlaps none of `taken`. Raises LabError if there is none.

    libvirt's usual 192.168.122.0/24 is not among the choices: that network may be defined and just not active.
    """
    taken = list(taken)
    choices = chain(
        (IPv4Network(f"192.168.{n}.0/24") for n in range(130, 250)),
        (IPv4Network(f"10.213.{n}.0/24") for n in range(256)),
    )
    for subnet in choices:
        if not any(subnet.overlaps(other) for other in taken):
            return subnet
    raise LabError("no free subnet: the machine's routes cover 192.168.130.0 to 192.168.249.0 and 10.213.0.0/16")


def further_subnet(lab_id: str, taken: Iterable[IPv4Network]) -> IPv4Network:
    """Choose a /24 for a further network of a host's, of those that `free_subnet` never answers.

    Each lab begins to look elsewhere, as nothing holds a subnet from now until the network is started.
    """
    taken = list(taken)
    first = int(lab_id, 16)
    choices = (IPv4Network(f"10.214.{(first + n) % 256}.0/24") for n in range(256))
    for subnet in choices:
        if not any(subnet.overlaps(other) for other in taken):
            return subnet
    raise LabError("no free subnet: the machine's routes cover 10.214.0.0/16")
