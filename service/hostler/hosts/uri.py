# SPDX-License-Identifier: GPL-3.0-or-later
"""Which libvirt URIs are let in.

A libvirt URI is code: ``qemu+ext:///system?command=…`` runs a program as the service's user, and a query can name
sockets, key files and shells. Over REST only three forms pass; anything else is for the service's own settings or
its command line.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

from hostler.errors import FieldProblem, InvalidRequest

_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?")
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
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
    if not uri.isascii() or not uri.isprintable() or any(character in uri for character in "?#%\\ "):
        return False
    try:
        parts = urlsplit(uri)
        port_is_sound = parts.port is None or 0 < parts.port <= 65535
    except ValueError:
        return False
    if parts.path != "/system" or parts.password is not None or not port_is_sound:
        return False
    if parts.scheme == "qemu":
        return parts.netloc == ""
    if parts.scheme == "qemu+ssh":
        return _is_host(parts) and (parts.username is None or _USER.fullmatch(parts.username) is not None)
    return parts.scheme == "qemu+tls" and _is_host(parts) and parts.username is None


def _is_host(parts: SplitResult) -> bool:
    host = parts.hostname or ""
    if "[" not in parts.netloc:
        return _HOST.fullmatch(host) is not None
    try:
        return ipaddress.ip_address(host).version == 6
    except ValueError:
        return False
