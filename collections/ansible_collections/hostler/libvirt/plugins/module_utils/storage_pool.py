# SPDX-License-Identifier: GPL-3.0-or-later
"""A storage pool: how it is defined, and what it is now."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, Dict, Iterator, List, Optional, Tuple

from ansible_collections.hostler.libvirt.plugins.module_utils.fields import facts

TYPES = ("dir", "fs", "netfs", "logical", "disk", "iscsi", "rbd", "zfs")
"""Those that can be described by options; libvirt has more, which need XML."""

AUTH_TYPES = ("chap", "ceph")

_MOST_ENTRIES = 32
_TEXT: Dict[str, Any] = {
    "pattern": r"[^\x00-\x1f\x7f]{1,1024}",
    "pattern_says": "1 to 1024 characters, no control characters",
}


@dataclass(frozen=True)
class PoolAuth:
    """How a pool's server is told who asks. The password is a secret of libvirt's, which is only referred to."""

    type: str = field(metadata=facts("The kind of login.", choices=AUTH_TYPES))
    username: str = field(metadata=facts("The user.", **_TEXT))
    secret_uuid: Optional[str] = field(default=None, metadata=facts("The UUID of the secret.", **_TEXT))
    secret_usage: Optional[str] = field(default=None, metadata=facts("The usage name of the secret.", **_TEXT))


@dataclass(frozen=True)
class PoolSource:
    """Where a pool has its content from; None where it has no such thing.

    ``hosts`` are ``name`` or ``name:port``.
    """

    hosts: Optional[Tuple[str, ...]] = field(default=None, metadata=facts("The servers.", max_length=_MOST_ENTRIES))
    path: Optional[str] = field(default=None, metadata=facts("The exported folder.", **_TEXT))
    devices: Optional[Tuple[str, ...]] = field(
        default=None, metadata=facts("Block devices, or the target's IQN.", max_length=_MOST_ENTRIES)
    )
    name: Optional[str] = field(default=None, metadata=facts("What it is called there.", **_TEXT))
    format: Optional[str] = field(default=None, metadata=facts("The kind of file system or table.", **_TEXT))
    initiator: Optional[str] = field(default=None, metadata=facts("The IQN of this side.", **_TEXT))
    auth: Optional[PoolAuth] = field(default=None, metadata=facts("The login."))


@dataclass(frozen=True)
class PoolDefinition:
    """How a pool is defined; None where its XML says nothing. ``mode`` is octal with a leading zero."""

    name: str
    type: str
    uuid: Optional[str] = None
    path: Optional[str] = None
    mode: Optional[str] = None
    owner: Optional[int] = None
    group: Optional[int] = None
    source: PoolSource = PoolSource()

    def settings(self) -> Dict[str, Any]:
        """What can be told apart of two definitions of one pool, by the dotted name of its option."""
        return dict(_settings(self))


def _settings(definition: PoolDefinition) -> Iterator[Tuple[str, Any]]:
    for name in ("path", "mode", "owner", "group"):
        yield name, getattr(definition, name)
    for one in fields(PoolSource):
        value = getattr(definition.source, one.name)
        yield f"source.{one.name}", _plain(value)


def _plain(value: Any) -> Any:
    """As JSON has it."""
    if isinstance(value, tuple):
        return list(value)
    return {one.name: getattr(value, one.name) for one in fields(value)} if isinstance(value, PoolAuth) else value


@dataclass(frozen=True)
class PoolFill:
    """What a pool that is active can hold, what its volumes take of that, and what is free, in bytes."""

    capacity: int
    allocation: int
    available: int


@dataclass(frozen=True)
class ObservedPool:
    """A pool as it is. ``running`` is the definition that it is active by, None while it is not."""

    definition: PoolDefinition
    xml: str = field(repr=False)
    running: Optional[PoolDefinition] = None
    persistent: bool = True
    autostart: bool = False
    fill: Optional[PoolFill] = None

    @property
    def name(self) -> str:
        """What it is called."""
        return self.definition.name

    @property
    def state(self) -> str:
        """Whether its volumes can be reached: active or inactive."""
        return "inactive" if self.running is None else "active"

    @property
    def waiting(self) -> List[str]:
        """The options whose value it gets when it is started the next time."""
        return [] if self.running is None else waiting(self.running, self.definition)

    def as_data(self) -> Dict[str, Any]:
        """Plain data."""
        shown = self.definition
        return {
            "name": shown.name,
            "uuid": shown.uuid,
            "type": shown.type,
            "state": self.state,
            "persistent": self.persistent,
            "autostart": self.autostart,
            "path": shown.path,
            "mode": shown.mode,
            "owner": shown.owner,
            "group": shown.group,
            "source": {one.name: _plain(getattr(shown.source, one.name)) for one in fields(PoolSource)},
            "capacity": None if self.fill is None else self.fill.capacity,
            "allocation": None if self.fill is None else self.fill.allocation,
            "available": None if self.fill is None else self.fill.available,
            "next_start": self.waiting,
        }


def waiting(running: PoolDefinition, defined: PoolDefinition) -> List[str]:
    """The options in which a pool that is active by the one definition will differ when it starts by the other."""
    now, then = running.settings(), defined.settings()
    return [name for name in then if now[name] != then[name]]
