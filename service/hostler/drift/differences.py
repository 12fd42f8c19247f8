# SPDX-License-Identifier: GPL-3.0-or-later
"""Drift: what a VM of ours is differs from what it was asked to be, because somebody else has changed it.

It is shown, and never put right by itself (`hostler.drift.ways_out`). A change through any of our own doors is none,
which the revision in the VM's record tells.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_COMPARED = (
    "name",
    "cpu_cores",
    "memory_mb",
    "current_memory_mb",
    "disk_gb",
    "firmware",
    "secure_boot",
    "tpm",
    "max_cpu_cores",
    "max_memory_mb",
    "autostart",
    "vnc_enabled",
)
_OF_CARD = ("type", "bridge_name", "network_name", "mac_address", "model")
LEADS_TO = {"bridge": "bridge_name", "network": "network_name"}
"""By a card's type the part of it that says where it leads; with any other type that says nothing."""
LEFT_OUT = {"autostart": False, "secure_boot": False, "tpm": False, "firmware": "bios"}
"""What a spec means that does not name it; of anything else it then asks nothing."""


def differences(asked: Mapping[str, Any], actual: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What differs between two specs, as ``field``, ``asked`` and ``actual``; none where nothing was ever asked."""
    return list(_differences(asked, actual)) if asked else []


def _differences(asked: Mapping[str, Any], actual: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    # a balloon that leaves a VM all of its memory is named by no spec
    left_out = {**LEFT_OUT, "current_memory_mb": actual.get("memory_mb")}
    for name in _COMPARED:
        wanted, is_now = asked.get(name, left_out.get(name)), actual.get(name, left_out.get(name))
        if wanted is not None and is_now is not None and not _is_alike(name, wanted, is_now):
            yield {"field": name, "asked": wanted, "actual": is_now}
    card, is_now = asked.get("network_config") or {}, actual.get("network_config") or {}
    if card.get("type") == "none":
        card = {"type": "none"}  # one that is not to be there has no model
    is_of_another_type = False
    for name in _OF_CARD:
        wanted = card.get(name)
        if name == "type" and wanted == "network" and card.get("network_name") == is_now.get("network_name"):
            continue  # it may be the server's NAT network, too
        # what a card of another type leads to is part of that
        leads_there = is_of_another_type and LEADS_TO.get(str(is_now.get("type"))) == name
        if (wanted is not None or leads_there) and not _is_alike(name, wanted, is_now.get(name)):
            is_of_another_type = is_of_another_type or name == "type"
            yield {"field": f"network_config.{name}", "asked": wanted, "actual": is_now.get(name)}


def _is_alike(name: str, wanted: Any, is_now: Any) -> bool:
    if name == "disk_gb":
        return bool(abs(wanted - is_now) < 0.002)  # a disk has whole MiB, and shows three decimals
    if name == "mac_address":
        return str(wanted).lower() == str(is_now or "").lower()
    return bool(wanted == is_now)
