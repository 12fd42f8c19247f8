# SPDX-License-Identifier: GPL-3.0-or-later
"""How a VM is wanted to be moved to another host."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Iterator, Optional
from urllib.parse import urlsplit

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import FieldError, InvalidSpec
from ansible_collections.hostler.libvirt.plugins.module_utils.fields import facts, field_errors

STORAGES = ("shared", "copied", "incremental")
ON_TIMEOUT = ("abort", "pause", "postcopy")


@dataclass(frozen=True)
class MigrationWish:
    """How one VM is to be moved. None leaves it to libvirt."""

    storage: str = field(default="shared", metadata=facts("How it has its disks there.", choices=STORAGES))
    unsafe: bool = False
    delete_source_disks: bool = False
    peer_to_peer: bool = False
    peer_uri: Optional[str] = field(
        default=None, metadata=facts("The destination's URI for the source.", max_length=1024)
    )
    migrate_uri: Optional[str] = field(default=None, metadata=facts("Where QEMU sends memory to.", max_length=1024))
    tunnelled: bool = False
    bandwidth_mb: Optional[int] = field(
        default=None, metadata=facts("What may be sent in a second.", unit="MiB", minimum=1, maximum=1024 * 1024)
    )
    max_downtime_ms: Optional[int] = field(
        default=None, metadata=facts("How long the guest may stand still.", unit="ms", minimum=1, maximum=2_000_000)
    )
    auto_converge: bool = False
    timeout: float = field(default=3600, metadata=facts("How long it may take.", unit="s", minimum=1))
    on_timeout: str = field(default="abort", metadata=facts("What is done after that.", choices=ON_TIMEOUT))

    @property
    def copies(self) -> bool:
        """Whether disks are copied."""
        return self.storage != "shared"


def validate_migration(wish: MigrationWish, destination_uri: str) -> MigrationWish:
    """``wish`` if it can be; raises `InvalidSpec`. What is empty is left out."""
    errors = [*field_errors(wish), *_together(wish)]
    if wish.peer_to_peer:
        errors += _peer_errors(wish, destination_uri)
    if errors:
        raise InvalidSpec(errors)
    return wish


def _together(wish: MigrationWish) -> Iterator[FieldError]:
    if wish.peer_uri is not None and not wish.peer_to_peer:
        yield FieldError("peer_uri", "goes with peer_to_peer only")
    if wish.tunnelled and not wish.peer_to_peer:
        yield FieldError("tunnelled", "goes with peer_to_peer only")
    if wish.tunnelled and wish.copies:
        yield FieldError("tunnelled", "goes with shared storage only: no disk is sent through the tunnel")
    if wish.tunnelled and wish.migrate_uri is not None:
        yield FieldError("migrate_uri", "goes without tunnelled only: all goes to peer_uri then")
    if wish.tunnelled and wish.on_timeout == "postcopy":
        yield FieldError("on_timeout", "postcopy goes without tunnelled only")
    if wish.delete_source_disks and not wish.copies:
        yield FieldError("delete_source_disks", "goes with storage copied or incremental only")


def _peer_errors(wish: MigrationWish, destination_uri: str) -> Iterator[FieldError]:
    # the source's libvirtd would take these for itself, and libvirt refuses them in words that nobody understands
    name = "peer_uri" if wish.peer_uri is not None else "destination_uri"
    try:
        host = urlsplit(wish.peer_uri or destination_uri).hostname
    except ValueError:
        host = None
    if host is None or host == "localhost":
        yield FieldError(
            name, "must name the destination as the source's libvirtd reaches it, not a socket nor localhost"
        )
