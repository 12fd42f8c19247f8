# SPDX-License-Identifier: GPL-3.0-or-later
"""What a lab's networks change on the machine itself: the first lab notes what was, the last one restores it.

libvirtd turns IPv4 forwarding on when it starts a NAT network, and adds chains to the firewall; it undoes neither.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from lab import firewall

_FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")
_NOTE = "machine.json"
_DAEMONS = {"libvirtd", "virtnetworkd"}


@dataclass(frozen=True)
class Machine:
    """What the machine had before the first lab: IPv4 forwarding ("0" or "1"), and libvirt's chains."""

    forwarding: str
    chains: bool


def note_machine(runtime: Path) -> None:
    """Keep in the lab's runtime folder what the machine had before the first of the labs that are up now."""
    note = runtime / _NOTE
    if not note.exists():
        first = next(_notes_beside(runtime), None) or Machine(
            _FORWARDING.read_text().strip(), firewall.has_libvirt_chains()
        )
        note.write_text(json.dumps(asdict(first)))


def restore_machine(runtime: Path) -> None:
    """Give the machine back what it had, if this lab is the last one and nobody else has come to need the change."""
    note = runtime / _NOTE
    if not note.exists():
        return
    before = _read(note)
    note.unlink()
    if next(_notes_beside(runtime), None) is not None or _another_libvirtd():
        return
    if not before.chains:
        firewall.remove_libvirt_chains()
    if before.forwarding == "0" and not any(
        rule.table == "nat" for _, rules in firewall.rulesets() for rule in rules.rules
    ):
        _FORWARDING.write_text("0\n")


def _notes_beside(runtime: Path) -> Iterator[Machine]:
    for note in sorted(runtime.parent.glob(f"hostler-*/{_NOTE}")):
        if note.parent != runtime:
            yield _read(note)


def _read(note: Path) -> Machine:
    return Machine(**json.loads(note.read_text()))


def _another_libvirtd() -> bool:
    """Answer whether a libvirtd runs that shares this network: it makes its chains once, and counts on them."""
    ours = Path("/proc/self/ns/net").stat().st_ino
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            # a plain user's libvirtd has no part in the firewall
            daemon = (folder / "comm").read_text().strip() in _DAEMONS and folder.stat().st_uid == 0
            if daemon and (folder / "ns/net").stat().st_ino == ours:
                return True
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return False
