# SPDX-License-Identifier: GPL-3.0-or-later
"""The one place where a `libvirtError` becomes one of our errors."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Dict, Iterator, Type

from ansible_collections.hostler.libvirt.plugins.module_utils import errors
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor import last_error
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.library import libvirt

# by name: an older library lacks some
_BY_NAME: Dict[str, Type[errors.HostlerError]] = {
    "VIR_ERR_NO_DOMAIN": errors.MachineNotFound,
    "VIR_ERR_NO_STORAGE_POOL": errors.PoolNotFound,
    "VIR_ERR_NO_STORAGE_VOL": errors.VolumeNotFound,
    "VIR_ERR_NO_DOMAIN_SNAPSHOT": errors.SnapshotNotFound,
    "VIR_ERR_NO_DOMAIN_METADATA": errors.NotFound,
    "VIR_ERR_NO_NETWORK": errors.NetworkNotFound,
    "VIR_ERR_NO_INTERFACE": errors.NetworkNotFound,
    "VIR_ERR_NO_NWFILTER": errors.NetworkNotFound,
    "VIR_ERR_DOM_EXIST": errors.NameTaken,
    "VIR_ERR_STORAGE_VOL_EXIST": errors.NameTaken,
    "VIR_ERR_OPERATION_INVALID": errors.WrongState,
    "VIR_ERR_AGENT_UNRESPONSIVE": errors.AgentUnavailable,
    "VIR_ERR_AGENT_UNSYNCED": errors.AgentUnavailable,
    "VIR_ERR_NO_SUPPORT": errors.Unsupported,
    "VIR_ERR_CONFIG_UNSUPPORTED": errors.Unsupported,
    "VIR_ERR_ARGUMENT_UNSUPPORTED": errors.Unsupported,
    "VIR_ERR_OPERATION_UNSUPPORTED": errors.Unsupported,
    "VIR_ERR_MIGRATE_UNSAFE": errors.Unsupported,
    "VIR_ERR_NO_CONNECT": errors.HostUnreachable,
    "VIR_ERR_INVALID_CONN": errors.HostUnreachable,
    "VIR_ERR_AUTH_FAILED": errors.HostUnreachable,
    "VIR_ERR_RPC": errors.HostUnreachable,
}

# libvirt has no code of its own for these
_NO_SPACE = (
    "no space left on device",
    "not enough free space in pool",
    "not enough space left in storage pool",
    "disk quota exceeded",
)
_LOST = (
    "client socket is closed",
    "keepalive timeout",
    "Cannot recv data",
    "Cannot write data",
    "End of file while reading data",
)


def failure_of(error: libvirt.libvirtError, doing: str) -> errors.HostlerError:
    """Our error for libvirt's. ``doing`` begins the message: "Failed to <doing>: <libvirt's reason>"."""
    _restore(error)
    reason = _reason(error)
    if any(words in reason.lower() for words in _NO_SPACE):
        kind: Type[errors.HostlerError] = errors.NotEnoughSpace
    elif _is_lost(error, reason):
        kind = errors.HostUnreachable
    else:
        kind = _kind_of(error.get_error_code())
    return kind(f"Failed to {doing}: {reason}")


def is_about_xml(error: libvirt.libvirtError) -> bool:
    """Whether it says that XML is none, or describes nothing that libvirt knows."""
    _restore(error)
    names = ("VIR_ERR_XML_ERROR", "VIR_ERR_XML_DETAIL", "VIR_ERR_XML_INVALID_SCHEMA", "VIR_ERR_OS_TYPE")
    return error.get_error_code() in [getattr(libvirt, name, None) for name in names]


def _kind_of(code: int) -> Type[errors.HostlerError]:
    found = (kind for name, kind in _BY_NAME.items() if getattr(libvirt, name, None) == code)
    return next(found, errors.OperationFailed)


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Raise our error for any libvirt error of the block."""
    try:
        yield
    except libvirt.libvirtError as error:
        raise failure_of(error, doing) from error


def _restore(error: libvirt.libvirtError) -> None:
    """Have the error say what is wrong, also where its library was too late to ask."""
    said = last_error.take()
    if error.err is None:
        error.err = said


def _is_lost(error: libvirt.libvirtError, reason: str) -> bool:
    from_transport = error.get_error_domain() in (libvirt.VIR_FROM_RPC, libvirt.VIR_FROM_REMOTE)
    return any(words in reason for words in _LOST) or (
        from_transport and error.get_error_code() in (libvirt.VIR_ERR_SYSTEM_ERROR, libvirt.VIR_ERR_INTERNAL_ERROR)
    )


def _reason(error: libvirt.libvirtError) -> str:
    """Libvirt's words on one line, without its prefixes ("internal error: ")."""
    text = " ".join((error.get_error_message() or "libvirt gave no reason").split())
    for prefix in ("internal error: ", "operation failed: ", "Requested operation is not valid: "):
        if text.startswith(prefix):
            text = text[len(prefix) :]
    return text.rstrip(".")
