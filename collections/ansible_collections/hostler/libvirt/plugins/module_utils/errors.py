# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything the core can raise.

::

    HostlerError
    ├── InvalidSpec             a field of what was asked for is wrong; names each one
    ├── NotFound                what was named is not there
    │   ├── MachineNotFound
    │   ├── PoolNotFound
    │   ├── ImageNotFound
    │   ├── VolumeNotFound
    │   ├── SnapshotNotFound
    │   └── NetworkNotFound
    ├── NameTaken               another domain of the host has the name
    ├── WrongState              the VM's power state forbids it
    ├── Protected               the VM may not be deleted
    ├── NotEnoughSpace          the pool or the host's file system is full
    ├── Unsupported             this host or this libvirt can't do it
    ├── GuestTimeout            the guest did not do in time what it was asked
    ├── AgentUnavailable        the guest agent does not answer
    ├── Superseded              another operation has taken the VM over
    ├── OperationFailed         libvirt refused or failed
    └── HostUnreachable         no connection, or none that answers
        └── HostTimeout

Messages are one English sentence without a final stop, for people; ``code`` is the same for ever, for programs. The
adapters (modules, service) decide what each becomes: ``fail_json``, an HTTP status.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import Iterable, Iterator, Optional


class HostlerError(Exception):
    """What all errors of the core are; ``field`` names the input that caused it, where one did."""

    code = "error"

    def __init__(self, message: str, field: Optional[str] = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field


@dataclass(frozen=True)
class FieldError:
    """One wrong field: its dotted path (``network_config.type``) and what is wrong with it."""

    field: str
    message: str


class InvalidSpec(HostlerError):
    """One or more fields of a spec can't be; ``errors`` holds every one, not just the first."""

    code = "invalid_spec"

    def __init__(self, errors: Iterable[FieldError]) -> None:
        self.errors = tuple(errors)
        first = self.errors[0]
        message = "; ".join(f"{error.field}: {error.message}" for error in self.errors)
        super().__init__(message, first.field)


@contextmanager
def fields_within(path: str) -> Iterator[None]:
    """Have the fields that errors of the block name be those of what is at ``path`` (``disks.0``)."""
    try:
        yield
    except InvalidSpec as error:
        raise InvalidSpec(FieldError(f"{path}.{one.field}", one.message) for one in error.errors) from error
    except HostlerError as error:
        if error.field is not None:
            error.field = f"{path}.{error.field}"
        raise


class NotFound(HostlerError):
    """What was named is not there."""

    code = "not_found"


class MachineNotFound(NotFound):
    """The host has no such domain."""

    code = "vm_not_found"


class PoolNotFound(NotFound):
    """The host has no such storage pool, or it is not active."""

    code = "pool_not_found"


class ImageNotFound(NotFound):
    """The image pool has no such volume."""

    code = "image_not_found"


class VolumeNotFound(NotFound):
    """The pool has no such volume."""

    code = "volume_not_found"


class SnapshotNotFound(NotFound):
    """The VM has no such snapshot."""

    code = "snapshot_not_found"


class NetworkNotFound(NotFound):
    """The host has no such network, bridge or network filter, or it is not active."""

    code = "network_not_found"


class NameTaken(HostlerError):
    """Another domain of the host has the name."""

    code = "name_taken"


class WrongState(HostlerError):
    """The VM's power state forbids what was asked."""

    code = "wrong_state"


class Protected(HostlerError):
    """The VM is protected against deletion."""

    code = "protected"


class NotEnoughSpace(HostlerError):
    """The storage pool or the file system behind it is full."""

    code = "not_enough_space"


class Unsupported(HostlerError):
    """The host, its QEMU or its libvirt can't do what was asked."""

    code = "unsupported"


class GuestTimeout(HostlerError):
    """The guest did not do in time what it was asked to."""

    code = "guest_timeout"


class AgentUnavailable(HostlerError):
    """The guest agent is not installed, not running, or does not answer."""

    code = "agent_unavailable"


class Superseded(HostlerError):
    """Another operation has taken the VM over; this one does nothing more."""

    code = "superseded"


class OperationFailed(HostlerError):
    """Libvirt refused or failed; the message holds its reason."""

    code = "operation_failed"


class HostUnreachable(HostlerError):
    """The host's libvirt can't be reached."""

    code = "host_unreachable"


class HostTimeout(HostUnreachable):
    """The host's libvirt took a call and did not answer in time."""

    code = "host_timeout"
