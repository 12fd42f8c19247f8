# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a request was made on the service's own machine.

An address alone does not say so: behind a proxy on the same machine all the world comes from 127.0.0.1, and a page in
a browser can have its own name point there (DNS rebinding). So the request must also be addressed to loopback, and bear
no trace of having been passed on, whatever ``trusted_proxies`` makes of the client's address.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

PASSED_ON = (
    "forwarded",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-forwarded-server",
    "x-real-ip",
)
"""Headers that proxies add. One that adds none can't be seen: the settings have a switch for it."""


def is_from_here(connection: HTTPConnection) -> bool:
    """Whether a process of this machine asks, by a loopback address, and nothing passed it on."""
    if connection.client is None or not _is_loopback(connection.client.host):
        return False
    if any(name in connection.headers for name in PASSED_ON):
        return False
    try:
        asked = urlsplit(f"//{connection.headers.get('host', '')}").hostname or ""
    except ValueError:  # such as an open bracket
        return False
    return asked.lower() == "localhost" or _is_loopback(asked)


def _is_loopback(address: str) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped  # how a socket for both families shows an IPv4 client
    return parsed.is_loopback
