# SPDX-License-Identifier: GPL-3.0-or-later
"""Which libvirt URIs are let in.

A libvirt URI is code: ``qemu+ext:///system?command=…`` runs a program as the service's user, and a query can name
sockets, key files and shells. Over REST only three forms pass; anything else is for the service's own settings or
its command line.
"""

from __future__ import annotations

import ipaddress
import re

from hostler.errors import FieldProblem, InvalidRequest

# not urlsplit: what that lets pass between the brackets of an address differs from one Python to the next
_REMOTE = re.compile(
    r"(?P<scheme>qemu\+ssh|qemu\+tls)://"
    r"(?:(?P<user>[a-z_][a-z0-9_-]{0,31})@)?"
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?|\[(?P<ipv6>[0-9A-Fa-f:.]{2,45})\])"
    r"(?::(?P<port>[0-9]{1,5}))?"
    r"/system"
)
_FORMS = "qemu:///system, qemu+ssh://[user@]host[:port]/system or qemu+tls://host[:port]/system, without a query"


def checked_uri(uri: str, trusted: tuple[str, ...] = ()) -> str:
    """``uri`` if it may be registered over REST; raises `InvalidRequest` naming ``libvirt_uri`` if not."""
    if uri in trusted:
        return uri
    if not _is_allowed(uri):
        problem = FieldProblem("libvirt_uri", f"must be {_FORMS}")
        raise InvalidRequest(f"libvirt_uri {problem.message}", code="uri_not_allowed", errors=[problem])
    return uri


def _is_allowed(uri: str) -> bool:
    if uri == "qemu:///system":
        return True
    parts = _REMOTE.fullmatch(uri)
    if parts is None or (parts["user"] and parts["scheme"] != "qemu+ssh"):
        return False
    return (parts["port"] is None or 0 < int(parts["port"]) <= 65535) and (
        parts["ipv6"] is None or _is_ipv6(parts["ipv6"])
    )


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True
