# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens to a VM as a whole: the words for it, and what must have happened while nobody was listening."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, List, Mapping, NamedTuple, Tuple

# virDomainEventType with the virDomainEvent*DetailType of each, by number:
# https://libvirt.org/html/libvirt-libvirt-domain.html#virDomainEventType
_WORDS: Tuple[Tuple[str, Tuple[str, ...]], ...] = (
    ("defined", ("added", "updated", "renamed", "from_snapshot")),
    ("undefined", ("removed", "renamed")),
    ("started", ("booted", "migrated", "restored", "from_snapshot", "wakeup", "recovered")),
    (
        "suspended",
        (
            "paused",
            "migrated",
            "ioerror",
            "watchdog",
            "restored",
            "from_snapshot",
            "api_error",
            "postcopy",
            "postcopy_failed",
        ),
    ),
    ("resumed", ("unpaused", "migrated", "from_snapshot", "postcopy", "postcopy_failed")),
    ("stopped", ("shutdown", "destroyed", "crashed", "migrated", "saved", "failed", "from_snapshot", "recovered")),
    ("shutdown", ("finished", "guest", "host")),
    ("pmsuspended", ("memory", "disk")),
    ("crashed", ("panicked", "crashloaded")),
)
REBOOTED = "rebooted"
"""A guest's own reboot, or a reset; libvirt's event of it has no reason."""
EVENTS = (*(event for event, _reasons in _WORDS), REBOOTED)
"""The words for all that can happen to a VM."""
OTHER = "other"
"""The word for what a libvirt that is newer than this tells."""

# why it is off, virDomainShutoffReason by number
_OFF_REASONS = ("other", "shutdown", "destroyed", "crashed", "migrated", "saved", "failed", "from_snapshot", "other")
# virDomainState
_RUNNING = (1, 2)
_PAUSED = 3
_OFF = (5, 6)
_SLEEPS = 7
_CRASHED = 6


@dataclass(frozen=True)
class LifecycleEvent:
    """Something that happened to a VM."""

    name: str
    uuid: str
    event: str  # one of EVENTS, or OTHER
    reason: str  # libvirt's word for why, OTHER where it has none
    missed: bool = False  # found afterwards, by a comparison, rather than heard


class Standing(NamedTuple):
    """How a VM is: ``state`` is ``off``, ``running``, ``paused`` or ``asleep``; ``reason`` is why one is off."""

    name: str
    state: str
    reason: str = OTHER


def words_of(event: int, detail: int) -> Tuple[str, str]:
    """Libvirt's numbers of a lifecycle event as words: what happened, and why."""
    if not 0 <= event < len(_WORDS):
        return OTHER, OTHER
    word, reasons = _WORDS[event]
    return word, reasons[detail] if 0 <= detail < len(reasons) else OTHER


def standing_of(name: str, state: int, reason: int) -> Standing:
    """How a VM is, of libvirt's numbers (virDomainState and the reason of that state)."""
    if state in _OFF:
        if state == _CRASHED:
            return Standing(name, "off", "crashed")
        return Standing(name, "off", _OFF_REASONS[reason] if 0 <= reason < len(_OFF_REASONS) else OTHER)
    if state in _RUNNING:
        return Standing(name, "running")
    return Standing(name, "asleep" if state == _SLEEPS else "paused" if state == _PAUSED else "running")


_LEADS_TO = {
    "defined": "off",
    "started": "running",
    "suspended": "paused",
    "resumed": "running",
    "stopped": "off",
    "pmsuspended": "asleep",
}


def after(standings: Mapping[str, Standing], event: LifecycleEvent) -> Dict[str, Standing]:
    """How all VMs are, by UUID, once that has happened to one of them."""
    known = dict(standings)
    before = known.get(event.uuid)
    if event.event == "undefined":
        # one that runs goes on as a transient one, and is gone when it stops
        if before is None or before.state == "off":
            known.pop(event.uuid, None)
    elif event.event == "defined":
        known[event.uuid] = Standing(event.name, before.state if before else "off")
    elif event.event in _LEADS_TO:
        known[event.uuid] = Standing(event.name, _LEADS_TO[event.event])
    return known


_STEPS = {
    ("off", "running"): "started",
    ("asleep", "running"): "started",
    ("paused", "running"): "resumed",
    ("running", "paused"): "suspended",
    ("asleep", "paused"): "suspended",
    ("running", "asleep"): "pmsuspended",
    ("paused", "asleep"): "pmsuspended",
}


def missed(before: Mapping[str, Standing], now: Mapping[str, Standing]) -> List[LifecycleEvent]:
    """What must have happened between two looks at a host.

    Of what came and went in between nobody knows, a VM that was restarted for one. Why a VM is off is known, as long as
    libvirtd has not been restarted since.
    """
    events: List[LifecycleEvent] = []
    for uuid, old in before.items():
        if uuid not in now:
            if old.state != "off":
                events.append(LifecycleEvent(old.name, uuid, "stopped", OTHER, missed=True))
            events.append(LifecycleEvent(old.name, uuid, "undefined", OTHER, missed=True))
    for uuid, new in now.items():
        known = before.get(uuid)
        state = known.state if known else "off"
        if known is None:
            events.append(LifecycleEvent(new.name, uuid, "defined", OTHER, missed=True))
        elif known.name != new.name:
            events.append(LifecycleEvent(new.name, uuid, "defined", "renamed", missed=True))
        if state == new.state:
            continue
        if new.state == "off":
            events.append(LifecycleEvent(new.name, uuid, "stopped", new.reason, missed=True))
            continue
        if state == "off" and new.state != "running":
            events.append(LifecycleEvent(new.name, uuid, "started", OTHER, missed=True))
            state = "running"
        events.append(LifecycleEvent(new.name, uuid, _STEPS[state, new.state], OTHER, missed=True))
    return events
