# SPDX-License-Identifier: GPL-3.0-or-later
"""What a VM uses, from libvirt's figures (`virConnectGetAllDomainStats`, whose names and units these are)."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional, Sequence

_DISK = {
    "read_bytes": "rd.bytes",
    "read_requests": "rd.reqs",
    "written_bytes": "wr.bytes",
    "write_requests": "wr.reqs",
    "allocated_bytes": "allocation",
}
_CARD = {
    "received_bytes": "rx.bytes",
    "received_packets": "rx.pkts",
    "received_errors": "rx.errs",
    "received_drops": "rx.drop",
    "sent_bytes": "tx.bytes",
    "sent_packets": "tx.pkts",
    "sent_errors": "tx.errs",
    "sent_drops": "tx.drop",
}
_MEMORY = {"current_kib": "current", "resident_kib": "rss", "available_kib": "available", "unused_kib": "unused"}
_NANOSECONDS = 10**9


def disk_sizes(figures: Mapping[str, Any]) -> Dict[str, int]:
    """The virtual size in bytes of each disk by its target; of one that nobody could look into there is none."""
    sizes = {}
    for index in range(figures.get("block.count", 0)):
        capacity = figures.get(f"block.{index}.capacity")
        if capacity is not None:
            sizes[figures[f"block.{index}.name"]] = int(capacity)
    return sizes


def statistics_of(figures: Mapping[str, Any], cards: Sequence[Optional[str]]) -> Dict[str, Any]:
    """Plain data of a VM that runs, ``cards`` being the addresses of its network cards in order.

    What nobody could tell is None: the guest's own idea of its memory without a balloon driver, say.
    """
    return {
        "cpu_seconds": _seconds(figures.get("cpu.time")),
        "memory": {ours: figures.get(f"balloon.{theirs}") for ours, theirs in _MEMORY.items()},
        "disks": _several(figures, "block", "target", _DISK),
        "nics": [
            {**card, "mac_address": cards[position] if position < len(cards) else None}
            for position, card in enumerate(_several(figures, "net", "device", _CARD))
        ],
    }


def answered(figures: Mapping[str, Any]) -> bool:
    """Whether those of a VM that runs hold what only its QEMU can say."""
    if "balloon.current" in figures:
        return "balloon.rss" in figures
    return not figures.get("block.count") or any(name.endswith(".rd.reqs") for name in figures)


def _several(figures: Mapping[str, Any], group: str, called: str, wanted: Mapping[str, str]) -> List[Dict[str, Any]]:
    return [
        {
            called: figures.get(f"{group}.{index}.name"),
            **{ours: figures.get(f"{group}.{index}.{theirs}") for ours, theirs in wanted.items()},
        }
        for index in range(figures.get(f"{group}.count", 0))
    ]


def _seconds(nanoseconds: Optional[int]) -> Optional[float]:
    return None if nanoseconds is None else round(nanoseconds / _NANOSECONDS, 3)
