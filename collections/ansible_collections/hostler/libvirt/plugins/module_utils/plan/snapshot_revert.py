# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan that brings a VM back to a snapshot.

libvirt would bring back the whole definition of then, whatever the VM consists of now.
"""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Tuple

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.definition import DomainDefinition
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import Unsupported, WrongState
from ansible_collections.hostler.libvirt.plugins.module_utils.machine import ObservedMachine
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.snapshot_content import TRANSIENT
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.snapshot_steps import RevertSnapshot
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.snapshot_wish import (
    SnapshotSurroundings,
    SnapshotWish,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Plan, Step
from ansible_collections.hostler.libvirt.plugins.module_utils.snapshot import Snapshot


def plan_revert(
    observed: ObservedMachine,
    snapshot: Snapshot,
    current: Optional[str],
    wish: SnapshotWish,
    around: SnapshotSurroundings,
) -> Plan:
    """The one step. Raises `WrongState` where the VM's hardware differs, `Unsupported` where libvirt can't do it."""
    if not observed.is_persistent:
        raise WrongState(TRANSIENT)
    if snapshot.is_external and not around.handles_external:
        raise Unsupported(
            f"This host's libvirt can't revert to snapshot '{snapshot.name}', which is external: it takes libvirt 9.9",
            "snapshot",
        )
    then = snapshot.domain
    if then is None:
        raise Unsupported(f"Snapshot '{snapshot.name}' does not say what the VM was like", "snapshot")
    of_its_own = [
        *_disk_differences(observed.definition, snapshot, then),
        *_card_differences(observed.definition, then),
    ]
    if of_its_own:
        raise WrongState(_refusal(snapshot, of_its_own), "snapshot")
    before: Dict[str, Any] = {"state": observed.status, "current": current}
    after: Dict[str, Any] = {"state": _state_after(snapshot, wish.power), "current": snapshot.name, "reverted": True}
    differences = _differences(observed, then)
    if differences and not wish.force:
        each = [f"{name} was {was} and is {now}" for name, (was, now) in differences.items()]
        raise WrongState(f"{_refusal(snapshot, each)}; force brings the hardware of then back", "force")
    for name, (was, now) in differences.items():
        before[name], after[name] = now, was
    step = Step(
        f"Revert VM '{observed.name}' to snapshot '{snapshot.name}'",
        RevertSnapshot(observed.uuid, snapshot.name, wish.power, wish.timeout),
    )
    return Plan((step,), before, after)


def _refusal(snapshot: Snapshot, differences: List[str]) -> str:
    return f"The VM's hardware is not that of snapshot '{snapshot.name}': {'; '.join(differences)}"


def _disk_differences(now: DomainDefinition, snapshot: Snapshot, then: DomainDefinition) -> List[str]:
    """Of disks, CD-ROMs and the like aside. Of an external snapshot the files may be others, and the disks the same."""

    def disks(definition: DomainDefinition) -> Dict[str, Tuple[Any, ...]]:
        return {
            disk.target: () if snapshot.is_external else (disk.path, disk.pool, disk.volume)
            for disk in definition.disks
            if disk.device in ("disk", "lun")
        }

    present, past = disks(now), disks(then)
    found = [f"disk {target} was not there then" for target in present if target not in past]
    found += [f"disk {target} is gone" for target in past if target not in present]
    found += [
        f"disk {target} is {present[target][0] or 'another'} and was {past[target][0] or 'another'}"
        for target in past
        if target in present and present[target] != past[target]
    ]
    return found


def _card_differences(now: DomainDefinition, then: DomainDefinition) -> List[str]:
    present, past = ([(card.mac_address or "").lower() for card in definition.interfaces] for definition in (now, then))
    found = [f"network card {address} was not there then" for address in present if address not in past]
    return found + [f"network card {address} is gone" for address in past if address not in present]


def _differences(observed: ObservedMachine, then: DomainDefinition) -> Dict[str, Tuple[Any, Any]]:
    """What else differs, by the name that people know it by: as it was then, and as it is now."""
    now = observed.definition
    compared = {
        "cpu_cores": (then.vcpus, now.vcpus),
        "memory_mb": (then.memory_kib // 1024, now.memory_kib // 1024),
        "machine": (then.machine, now.machine),
        "firmware": (then.firmware, now.firmware),
        "tpm": (then.tpm, now.tpm),
    }
    if now.nvram is not None and then.name != now.name:  # else libvirt finds the same file by the name
        compared["uefi_variables"] = (then.nvram, now.nvram)
    return {name: (was, is_) for name, (was, is_) in compared.items() if was != is_}


def _state_after(snapshot: Snapshot, power: str) -> str:
    if power != "as-taken":
        return power
    if not snapshot.has_memory:
        return "stopped"
    return "paused" if snapshot.state == "paused" else "running"
