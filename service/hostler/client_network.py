# SPDX-License-Identifier: GPL-3.0-or-later
"""What is one client for whoever counts by address: an address of IPv4, a network of IPv6."""

from __future__ import annotations

import ipaddress


def one_client(address: str) -> str:
    """An IPv4 address, or a network of IPv6, for all of a /64 is anybody's."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address  # of a socket, or whatever a proxy calls its clients
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(parsed), 64), strict=False))
