# SPDX-License-Identifier: GPL-3.0-or-later
"""What a new snapshot holds of its VM, and where."""

from __future__ import annotations

import posixpath
import re
from typing import List

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.definition import Disk
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    AgentUnavailable,
    FieldError,
    InvalidSpec,
    Unsupported,
    WrongState,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.machine import ObservedMachine
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.snapshot_wish import (
    SnapshotSurroundings,
    SnapshotWish,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.snapshot import Snapshot, SnapshotDisk

TRANSIENT = "VM is transient: its snapshots would be gone with its power"
_TAKABLE = ("running", "paused", "stopped", "crashed")


def content_of(observed: ObservedMachine, name: str, wish: SnapshotWish, around: SnapshotSurroundings) -> Snapshot:
    """The snapshot that is to be taken: what it keeps of memory and disks, and in which new files.

    Raises `InvalidSpec`, `WrongState`, `Unsupported`, `AgentUnavailable`.
    """
    _require_takable(observed)
    external = bool(wish.external)
    memory = wish.memory if wish.memory is not None else observed.is_active and not external
    if memory and not observed.is_active:
        raise WrongState("VM is not running: it has no memory that could be kept", "memory")
    if observed.is_active and not external and not memory:
        raise _refused("memory", "one inside the disks of a VM that runs always has its memory; set external")
    if wish.quiesce:
        _require_quiescence(observed, external, memory)
    disks = (observed.running or observed.definition).disks
    kept = [disk for disk in disks if _holds_state(disk) and not disk.shareable]
    if not kept:
        raise Unsupported(f"VM '{observed.name}' has no disk of its own whose content could be kept")
    if external:
        _require_unencrypted(observed, kept)
    else:
        _require_internal(observed, [disk for disk in disks if _holds_state(disk)])
    stem = f"{_plain(observed.name)}-{observed.uuid[:8]}"

    def place(disk: Disk, what: str) -> str:
        folder = around.folders.get(disk.target)
        if folder is None:
            where = "is on no storage pool of files of this host: there is no place for a file beside it"
            raise Unsupported(f"Disk {disk.target} of VM '{observed.name}' {where}", "external")
        return posixpath.join(folder, f"{stem}-{_plain(name)}-{around.token}-{what}")

    return Snapshot(
        name=name,
        created=around.now,
        libvirt_state=_libvirt_state(observed, memory),
        description=wish.description or None,
        memory="no" if not memory else "external" if external else "internal",
        memory_file=place(kept[0], "memory") if memory and external else None,
        disks=tuple(
            SnapshotDisk(disk.target, "no")
            if disk not in kept
            else SnapshotDisk(disk.target, "external", place(disk, f"{disk.target}.qcow2"))
            if external
            else SnapshotDisk(disk.target, "internal")
            for disk in disks
        ),
        series=wish.series,
    )


def _require_takable(observed: ObservedMachine) -> None:
    if not observed.is_persistent:
        raise WrongState(TRANSIENT)
    if observed.status == "saved":
        # its memory would come back over disks that have changed meanwhile
        raise WrongState("VM is saved: start it before a snapshot of it is taken")
    if observed.status not in _TAKABLE:
        raise WrongState(f"VM is {observed.status}: no snapshot of it can be taken")


def _require_quiescence(observed: ObservedMachine, external: bool, memory: bool) -> None:
    if not external or memory:
        raise _refused("quiesce", "goes with a snapshot that is external and has no memory only")
    if observed.status != "running":
        raise WrongState(f"VM is {observed.status}: its guest can't freeze its file systems", "quiesce")
    if observed.running is None or not observed.running.guest_agent_connected:
        raise AgentUnavailable(
            f"VM '{observed.name}' has no guest agent that answers: its file systems can't be frozen", "quiesce"
        )


def _require_internal(observed: ObservedMachine, disks: List[Disk]) -> None:
    """Raise for what QEMU can't keep inside of qcow2 files."""
    raw = next((disk for disk in disks if disk.format != "qcow2"), None)
    if raw is not None:
        what = "shared" if raw.shareable else raw.format or "of no known format"
        reason = f"is {what}, and only qcow2 can hold a snapshot inside; set external"
        raise Unsupported(f"Disk {raw.target} of VM '{observed.name}' {reason}", "external")
    definition = observed.running or observed.definition
    if definition.firmware == "uefi" and definition.nvram_format != "qcow2":
        reason = "keeps its UEFI variables in a raw file, which can hold no snapshot inside; set external"
        raise Unsupported(f"VM '{observed.name}' {reason}", "external")


def _require_unencrypted(observed: ObservedMachine, disks: List[Disk]) -> None:
    """Raise for a disk that is encrypted: libvirt would have the new file hold in the clear what the guest writes."""
    secret = next((disk for disk in disks if disk.encrypted), None)
    if secret is not None:
        reason = "is encrypted, and a file beside it would not be"
        raise Unsupported(f"Disk {secret.target} of VM '{observed.name}' {reason}", "external")


def _holds_state(disk: Disk) -> bool:
    return disk.device in ("disk", "lun") and not disk.read_only


def _libvirt_state(observed: ObservedMachine, memory: bool) -> str:
    if not observed.is_active:
        return "shutoff"
    return observed.status if memory else "disk-snapshot"


def _plain(name: str) -> str:
    """What of ``name`` can be in a file's name, and leaves room for the rest of it."""
    return re.sub("[^A-Za-z0-9._-]", "_", name)[:63]


def _refused(name: str, reason: str) -> InvalidSpec:
    return InvalidSpec([FieldError(name, reason)])
