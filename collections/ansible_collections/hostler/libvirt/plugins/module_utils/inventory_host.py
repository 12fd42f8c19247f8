# SPDX-License-Identifier: GPL-3.0-or-later
"""The libvirt hosts of an inventory, as its configuration has them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Iterator, List, Mapping, Optional, Sequence
from urllib.parse import urlsplit

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import FieldError, InvalidSpec

_LOCAL = "local"
_KEYS = ("uri", "name", "vars")


@dataclass(frozen=True)
class InventoryHost:
    """A host: what it is called, its URI (None for libvirt's default), and variables for all of its VMs."""

    name: str
    uri: Optional[str]
    vars: Mapping[str, Any] = field(default_factory=dict)


def inventory_hosts(given: Optional[Sequence[Any]], default_uri: Optional[str]) -> List[InventoryHost]:
    """The hosts that ``given`` names, by URIs or mappings of `InventoryHost`'s fields; that of ``default_uri`` if None.

    Raises `InvalidSpec`.
    """
    if given is None:
        return [InventoryHost(_name_in(default_uri), default_uri)]
    errors = [error for index, one in enumerate(given) for error in _errors(f"hypervisors.{index}", one)]
    if errors:
        raise InvalidSpec(errors)
    hosts = [_host(one) for one in given]
    for index, host in enumerate(hosts):
        first = next(earlier for earlier, other in enumerate(hosts) if other.name == host.name)
        if first != index:
            errors.append(FieldError(f"hypervisors.{index}.name", f"'{host.name}' is hypervisors.{first} already"))
    if errors:
        raise InvalidSpec(errors)
    return hosts


def _host(given: Any) -> InventoryHost:
    if isinstance(given, str):
        return InventoryHost(_name_in(given), given)
    return InventoryHost(given.get("name") or _name_in(given["uri"]), given["uri"], given.get("vars") or {})


def _name_in(uri: Optional[str]) -> str:
    try:
        return urlsplit(uri or "").hostname or _LOCAL
    except ValueError:
        return _LOCAL


def _errors(path: str, given: Any) -> Iterator[FieldError]:
    if isinstance(given, str):
        given = {"uri": given}
    if not isinstance(given, Mapping):
        yield FieldError(path, "must be a URI, or a mapping with uri, name and vars")
        return
    for key in given:
        if key not in _KEYS:
            yield FieldError(f"{path}.{key}", f"is none of {', '.join(_KEYS)}")
    if not isinstance(given.get("uri"), str) or not given["uri"]:
        yield FieldError(f"{path}.uri", "must be a libvirt URI")
    if not isinstance(given.get("name", ""), str):
        yield FieldError(f"{path}.name", "must be a text")
    if not isinstance(given.get("vars") or {}, Mapping):
        yield FieldError(f"{path}.vars", "must be a mapping")
