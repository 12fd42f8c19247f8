# SPDX-License-Identifier: GPL-3.0-or-later
"""One storage pool as it should be."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Dict, Iterator, Mapping, Optional

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import FieldError, InvalidSpec
from ansible_collections.hostler.libvirt.plugins.module_utils.fields import (
    LIBVIRT_NAME_PATTERN,
    LIBVIRT_NAME_SAYS,
    FieldFacts,
    check_types,
    facts,
    field_errors,
    path_errors,
    value_errors,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.selection import plain_uuid
from ansible_collections.hostler.libvirt.plugins.module_utils.storage_pool import TYPES, PoolAuth, PoolSource
from ansible_collections.hostler.libvirt.plugins.module_utils.storage_xml.own_pool import OwnPool, own_pool

STATES = ("present", "active", "inactive", "absent")
BUILDS = ("folder", "new", "overwrite", "none")

FOLDER_TYPES = ("dir", "fs", "netfs")
"""Those whose volumes are files in a folder of the host."""

DEVICE_TYPES = ("fs", "logical", "disk", "zfs")
"""Those of which something is made on block devices."""

# https://libvirt.org/storage.html: what each type can't do without, and what of the rest it can have
_NEEDS: Mapping[str, Mapping[str, str]] = {
    "dir": {"path": "a dir pool needs its folder"},
    "fs": {
        "path": "an fs pool needs the folder that it is mounted on",
        "source.devices": "an fs pool needs the block device with the file system",
    },
    "netfs": {
        "path": "a netfs pool needs the folder that it is mounted on",
        "source.hosts": "a netfs pool needs its server",
        "source.path": "a netfs pool needs the folder that the server exports",
    },
    "logical": {},
    "disk": {"source.devices": "a disk pool needs its block device"},
    "iscsi": {
        "source.hosts": "an iscsi pool needs its server",
        "source.devices": "an iscsi pool needs the IQN of its target",
    },
    "rbd": {
        "source.hosts": "an rbd pool needs its monitors",
        "source.name": "an rbd pool needs the name that it has in Ceph",
    },
    "zfs": {"source.name": "a zfs pool needs the name that it has in ZFS"},
}
_MAY_HAVE: Mapping[str, str] = {
    "dir": "",
    "fs": "format",
    "netfs": "format",
    "logical": "devices name",
    "disk": "format",
    "iscsi": "initiator auth",
    "rbd": "auth",
    "zfs": "devices",
}
_ONE_DEVICE = ("fs", "disk", "iscsi")
_ONE_HOST = ("netfs", "iscsi")
# what is usual, so that nobody has to say it
USUAL_PATHS = {"disk": "/dev", "iscsi": "/dev/disk/by-path"}
_AUTH_OF = {"iscsi": "chap", "rbd": "ceph"}

_NAME: Dict[str, Any] = {
    "pattern": LIBVIRT_NAME_PATTERN,
    "pattern_says": LIBVIRT_NAME_SAYS,
}
_ENTRY = FieldFacts("", pattern=r"[^\x00-\x1f\x7f]{1,1024}", pattern_says="1 to 1024 characters, none of control")


@dataclass(frozen=True)
class WantedPool:
    """What a pool should be; None leaves a setting as it is. ``xml`` describes all of it, in place of the others."""

    name: Optional[str] = field(default=None, metadata=facts("What it is called.", **_NAME))
    state: str = field(default="present", metadata=facts("What it is to be.", choices=STATES))
    type: Optional[str] = field(default=None, metadata=facts("The kind of pool.", choices=TYPES))
    path: Optional[str] = field(default=None, metadata=facts("Its folder on the host.", max_length=4095))
    source: Optional[PoolSource] = field(default=None, metadata=facts("Where its content comes from."))
    mode: Optional[str] = field(
        default=None,
        metadata=facts(
            "The folder's permissions.",
            pattern=r"0[0-7]{3,4}",
            pattern_says="octal with a leading zero, and in quotes, such as '0711'",
        ),
    )
    owner: Optional[int] = field(default=None, metadata=facts("The folder's owner.", minimum=0, maximum=2**32 - 2))
    group: Optional[int] = field(default=None, metadata=facts("The folder's group.", minimum=0, maximum=2**32 - 2))
    xml: Optional[str] = field(default=None, repr=False)
    autostart: Optional[bool] = None
    build: str = field(default="folder", metadata=facts("What is made for a new one.", choices=BUILDS))
    refresh: bool = False
    delete_content: bool = False
    force: bool = False
    timeout: float = field(default=60, metadata=facts("How long each step may take.", unit="s", minimum=1))

    @property
    def own(self) -> Optional[OwnPool]:
        """What the XML describes."""
        return None if self.xml is None else own_pool(self.xml)


def validate_pool(wanted: WantedPool) -> WantedPool:
    """``wanted`` with the name that its XML says, if it can be; raises `InvalidSpec` with all that can't."""
    check_types(wanted)
    own = wanted.own
    if own is not None:
        if wanted.name is not None and wanted.name != own.name:
            raise InvalidSpec([FieldError("xml", f"describes a pool named '{own.name}'")])
        wanted = dataclasses.replace(wanted, name=own.name)
    if wanted.path is not None and len(wanted.path) > 1:
        wanted = dataclasses.replace(wanted, path=wanted.path.rstrip("/"))
    errors = [*field_errors(wanted), *_together_errors(wanted)]
    if errors:
        raise InvalidSpec(errors)
    return _plain_secret(wanted)


def described(wanted: WantedPool) -> Iterator[str]:
    """The options that are given of those that describe a pool."""
    for name in ("path", "mode", "owner", "group"):
        if getattr(wanted, name) is not None:
            yield name
    for one in dataclasses.fields(PoolSource):
        if wanted.source is not None and getattr(wanted.source, one.name) is not None:
            yield f"source.{one.name}"


def type_errors(kind: str, wanted: WantedPool, new: bool) -> Iterator[FieldError]:
    """What is wrong with what is wanted of a pool of that type; ``new`` if nothing of it is there yet."""
    given = list(described(wanted))
    if new:
        needs = _NEEDS[kind].items()
        yield from (FieldError(name, f"is required: {reason}") for name, reason in needs if name not in given)
    may = {*_NEEDS[kind], *(f"source.{name}" for name in _MAY_HAVE[kind].split())}
    if kind in FOLDER_TYPES:
        may.update(("mode", "owner", "group"))
    if kind in USUAL_PATHS:
        may.add("path")
    yield from (FieldError(name, f"does not go with type {kind}") for name in given if name not in may)
    if new and wanted.build in ("new", "overwrite") and kind not in DEVICE_TYPES:
        yield FieldError("build", f"{wanted.build} does not go with type {kind}, for which nothing is made on devices")
    source = wanted.source
    if source is None:
        return
    if kind in _ONE_DEVICE and source.devices is not None and len(source.devices) != 1:
        yield FieldError("source.devices", f"must be one with type {kind}")
    if kind in _ONE_HOST and source.hosts is not None and len(source.hosts) != 1:
        yield FieldError("source.hosts", f"must be one with type {kind}")
    if source.auth is not None and kind in _AUTH_OF and source.auth.type != _AUTH_OF[kind]:
        yield FieldError("source.auth.type", f"must be {_AUTH_OF[kind]} with type {kind}")


def _together_errors(wanted: WantedPool) -> Iterator[FieldError]:
    if wanted.name is None:
        yield FieldError("name", "is required, or xml")
    if wanted.path is not None:
        yield from path_errors("path", wanted.path)
    given = list(described(wanted))
    if wanted.xml is not None:
        for name in (*(() if wanted.type is None else ("type",)), *given):
            yield FieldError(name, "does not go with xml, which says it")
    if wanted.delete_content and wanted.state != "absent":
        yield FieldError("delete_content", "goes with state absent only")
    if wanted.force and wanted.state not in ("inactive", "absent"):
        yield FieldError("force", "goes with states inactive and absent only")
    if wanted.refresh and wanted.state not in ("present", "active"):
        yield FieldError("refresh", "goes with states present and active only")
    if wanted.source is not None:
        yield from _source_errors(wanted.source)


def _source_errors(source: PoolSource) -> Iterator[FieldError]:
    for name in ("hosts", "devices"):
        entries = getattr(source, name)
        if entries == ():
            yield FieldError(f"source.{name}", "must not be empty")
        for index, entry in enumerate(entries or ()):
            yield from value_errors(f"source.{name}.{index}", entry, _ENTRY)
    if source.path is not None:
        yield from path_errors("source.path", source.path)
    if source.auth is not None:
        yield from _auth_errors(source.auth)


def _auth_errors(auth: PoolAuth) -> Iterator[FieldError]:
    if (auth.secret_uuid is None) == (auth.secret_usage is None):
        yield FieldError("source.auth.secret_uuid", "is required, or secret_usage, and not both")
    if auth.secret_uuid is not None and plain_uuid(auth.secret_uuid) is None:
        yield FieldError("source.auth.secret_uuid", "is not a UUID")


def _plain_secret(wanted: WantedPool) -> WantedPool:
    source = wanted.source
    if source is None or source.auth is None or source.auth.secret_uuid is None:
        return wanted
    auth = dataclasses.replace(source.auth, secret_uuid=plain_uuid(source.auth.secret_uuid))
    return dataclasses.replace(wanted, source=dataclasses.replace(source, auth=auth))
