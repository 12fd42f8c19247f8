# SPDX-License-Identifier: GPL-3.0-or-later
"""A clone as it is wanted, and what of its source and their host matters to it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import FrozenSet, Iterator, Mapping, Optional, Tuple

from ansible_collections.hostler.libvirt.plugins.module_utils.card import NetworkConfig, card_errors
from ansible_collections.hostler.libvirt.plugins.module_utils.cloud_init import CloudInit, key_errors
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import FieldError, InvalidSpec
from ansible_collections.hostler.libvirt.plugins.module_utils.fields import (
    LIBVIRT_NAME_PATTERN,
    LIBVIRT_NAME_SAYS,
    check_types,
    facts,
    field_errors,
    value_errors,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.machine import ObservedMachine
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.surroundings import PoolFacts
from ansible_collections.hostler.libvirt.plugins.module_utils.selection import plain_uuid
from ansible_collections.hostler.libvirt.plugins.module_utils.snapshot import Snapshot
from ansible_collections.hostler.libvirt.plugins.module_utils.spec import MachineSpec, facts_of, tag_errors

MODES = ("full", "linked")
STATES = ("present", "running")


@dataclass(frozen=True)
class CloneWish:
    """The new VM. What is None it has of its source."""

    name: str
    uuid: Optional[str] = None
    mode: str = field(default="full", metadata=facts("Whether it stands by itself.", choices=MODES))
    snapshot: Optional[str] = field(default=None, metadata=facts("Of which snapshot.", max_length=200))
    pool: Optional[str] = field(
        default=None,
        metadata=facts(
            "The storage pool for its disks.",
            pattern=LIBVIRT_NAME_PATTERN,
            pattern_says=LIBVIRT_NAME_SAYS,
        ),
    )
    mac_addresses: Tuple[str, ...] = field(
        default=(), metadata=facts("The addresses of its first cards.", max_length=64)
    )
    cloud_init: Optional[CloudInit] = field(default=None, metadata=facts("What its cloud-init is told."))
    description: Optional[str] = field(default=None, metadata=facts("What it is for.", max_length=4096))
    tags: Optional[Tuple[str, ...]] = field(default=None, metadata=facts("Labels to find it by.", max_length=64))
    owner: Optional[str] = field(default=None, metadata=facts("Whose it is.", max_length=255))
    record_id: Optional[int] = field(
        default=None, metadata=facts("The service's number of it.", minimum=1, maximum=10**18 - 1)
    )
    state: str = field(default="present", metadata=facts("What it is to be.", choices=STATES))


@dataclass(frozen=True)
class SourceDisk:
    """A disk of which the clone gets one of its own. Sizes in bytes; ``allocation`` is what a copy takes at most.

    ``path`` is what is copied or built upon, ``pool`` the pool that it is in, ``written_by`` who may write to it;
    ``modified`` is when that was done last.
    """

    target: str
    path: str
    format: str
    capacity: int
    allocation: int
    pool: PoolFacts
    written_by: Optional[str] = None
    modified: Optional[str] = None


@dataclass(frozen=True)
class CloneSource:
    """The VM that is cloned. ``xml`` is the definition that the clone gets, with its secrets.

    ``disks`` has those that are volumes, by target; ``pool`` is the one that was wished for. ``taken_volumes`` are, as
    ``pool/name``, those of the names that a clone's disks would have which are taken.
    """

    observed: ObservedMachine
    xml: str = field(repr=False)
    disks: Mapping[str, SourceDisk] = field(default_factory=dict)
    snapshot: Optional[Snapshot] = None
    pool: Optional[PoolFacts] = None
    taken_volumes: FrozenSet[str] = field(default_factory=frozenset)


def validate_clone(wish: CloneWish) -> CloneWish:
    """``wish``, with its UUID as libvirt writes it; raises `InvalidSpec` with every field that can't be."""
    check_types(wish)
    errors = [*value_errors("name", wish.name, facts_of(MachineSpec, "name")), *field_errors(wish)]
    uuid = None if wish.uuid is None else plain_uuid(wish.uuid)
    if wish.uuid is not None and uuid is None:
        errors.append(FieldError("uuid", "is not a UUID"))
    if wish.snapshot == "":
        errors.append(FieldError("snapshot", "must be the name of a snapshot"))
    errors += _address_errors(wish.mac_addresses)
    errors += tag_errors(wish.tags or ())
    if wish.cloud_init is not None:
        errors += key_errors("cloud_init.ssh_authorized_keys", wish.cloud_init.ssh_authorized_keys)
    if errors:
        raise InvalidSpec(errors)
    return dataclasses.replace(wish, uuid=uuid)


def _address_errors(addresses: Tuple[str, ...]) -> Iterator[FieldError]:
    for index, address in enumerate(addresses):
        path = f"mac_addresses.{index}"
        known = facts_of(NetworkConfig, "mac_address")
        for error in (*value_errors(path, address, known), *card_errors("", NetworkConfig(mac_address=address))):
            yield FieldError(path, error.message)
    if len({address.lower() for address in addresses}) != len(addresses):
        yield FieldError("mac_addresses", "holds the same address twice")
