# SPDX-License-Identifier: GPL-3.0-or-later
"""Where webhooks may be sent: which URLs, and which addresses behind them.

A URL is an administrator's, and yet the service is in places where no administrator's browser is. So what counts is the
address that is connected to: a name is resolved once for each try, its addresses are looked at, and one of these is
what the connection goes to. A name that changes its mind in between (DNS rebinding) changes nothing.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Collection
from enum import StrEnum

import httpx

LONGEST_URL = 2048

# what is not in here (a user, a fragment, spaces, line ends, backslashes) is not told apart alike by all programs
_URL = re.compile(
    r"https?://(?:(?P<name>[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?)|\[(?P<six>[0-9A-Fa-f:.]{2,45})\])"
    r"(?::(?P<port>[0-9]{1,5}))?(?:[/?][\x21\x22\x24-\x5b\x5d-\x7e]*)?"
)
_STAND_FOR_IPV4 = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("::ffff:0:0:0/96"))  # NAT64, SIIT
_IPV4_COMPATIBLE = ipaddress.IPv6Network("::/96")  # given up long ago, and yet global to Python
_PRIVATE = tuple(
    ipaddress.ip_network(network)
    # the last one was given up for the one before, and is global to Python
    for network in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7", "fec0::/10")
)
_OF_CLOUDS = frozenset(
    # where they keep what their machines may do: of AWS over IPv6, Alibaba, Azure; 169.254.169.254 is link-local
    ipaddress.ip_address(address)
    for address in ("fd00:ec2::254", "100.100.100.200", "168.63.129.16")
)
_LONGEST_LABEL = 63  # RFC 1035, 2.3.4

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Reach(StrEnum):
    """Who can be at an address."""

    PUBLIC = "public"
    PRIVATE = "private"
    LOOPBACK = "loopback"
    LINK_LOCAL = "link-local"
    NOBODY = "special"
    """Unspecified, multicast, reserved, for documentation: no receiver is there."""


def checked_url(url: str) -> str:
    """Return a URL that a webhook may have; raises ValueError for another one."""
    if len(url) > LONGEST_URL:
        raise ValueError(f"it has more than {LONGEST_URL} characters")
    found = _URL.fullmatch(url)
    if found is None:
        raise ValueError("it should be http://host[:port]/path or https://…, in ASCII, without user and fragment")
    if found["port"] is not None and not 1 <= int(found["port"]) <= 65535:
        raise ValueError("its port should be 1 to 65535")
    try:
        httpx.URL(url)
        is_one = all(0 < len(label) <= _LONGEST_LABEL for label in (found["name"] or "six").split("."))
    except httpx.InvalidURL:
        is_one = False
    if not is_one:
        raise ValueError("its host is not a name and not an address")
    return url


def reach_of(address: Address) -> Reach:
    """Who can be at an address; of one that stands for an IPv4 address, at that one."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and any(address in network for network in _STAND_FOR_IPV4):
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return reach_of(inner)
    if address.is_loopback:
        return Reach.LOOPBACK
    if address.is_link_local or address in _OF_CLOUDS:
        return Reach.LINK_LOCAL
    is_private = any(address.version == network.version and address in network for network in _PRIVATE)
    is_odd = address.is_multicast or (address.version == 6 and address in _IPV4_COMPATIBLE)
    if not is_private and (is_odd or not address.is_global):
        return Reach.NOBODY
    if _is_own(address):
        return Reach.LOOPBACK
    return Reach.PRIVATE if is_private else Reach.PUBLIC


def _is_own(address: Address) -> bool:
    """Whether it is one of this machine's: only such a one can be bound to. Nothing is sent, and nothing listens."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(address), 0))
    except OSError:
        return False
    return True


class NotAllowed(Exception):
    """An address is one that webhooks may not be sent to; the message is a sentence."""

    def __init__(self, address: Address) -> None:
        why = "no receiver's" if (reach := reach_of(address)) is Reach.NOBODY else f"{reach.value}"
        super().__init__(f"The setting webhook_destinations does not allow the address {address}, which is {why}")


def may_be_reached(address: Address, allowed: Collection[str]) -> bool:
    """Whether an address is public, or of an allowed reach."""
    reach = reach_of(address)
    return reach is Reach.PUBLIC or reach.value in allowed


def host_of(url: httpx.URL) -> str:
    """The host as name servers and certificates know it; httpx would show the name that it was made of."""
    return url.raw_host.decode("ascii")


def literal_address(url: str) -> Address | None:
    """The address that stands in a URL itself, None for a name."""
    try:
        return ipaddress.ip_address(host_of(httpx.URL(url)))
    except ValueError:
        return None


def resolved(host: str, port: int) -> list[Address]:
    """The addresses of a host, in the order of the system's preference, each once. It blocks; raises OSError."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError:  # of Python's, which is no OSError: a part of the name is empty, or too long
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known") from None
    return list(dict.fromkeys(ipaddress.ip_address(str(one[4][0]).partition("%")[0]) for one in found))
