# SPDX-License-Identifier: GPL-3.0-or-later
"""One reading of a host, or what several of them came to, as small as can be.

Each figure takes two bytes: a logarithm, which is right to a twentieth of a percent from nothing to terabytes a second.
A million of them stand in a few MiB, in memory as in the database, where zlib makes less of the many that are zero.
"""

from __future__ import annotations

import math
import struct
import zlib
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.pool import PoolSpace
from hostler.statistics.figures import Figures

HOST = 0
"""Stands in the place of a VM's id for the host itself; no VM has it."""

_UNKNOWN = 0
"""The code of what nobody could tell: the least, so that the highest of several codes is that of the highest figure."""
_FINENESS = 100
"""Figures are told apart by a hundredth of their unit where they are small: a request in a minute shows."""
_LARGEST = 0xFFFF
_STEPS = (_LARGEST - 1) / math.log1p(1e13 * _FINENESS)
_HEADER = struct.Struct("<BI")
"""How many columns there are, and how many ids."""


def encode(value: float | None) -> int:
    """The two bytes of a figure, which is not negative."""
    if value is None:
        return _UNKNOWN
    return min(round(math.log1p(value * _FINENESS) * _STEPS) + 1, _LARGEST)


def decode(code: int) -> float | None:
    """The figure of two bytes."""
    return _figures_by_code()[code]


@cache
def _figures_by_code() -> tuple[float | None, ...]:
    """Of all codes: a look into it takes a tenth of the time that it takes to reckon one, and millions are wanted."""
    return (None, *(math.expm1(code / _STEPS) / _FINENESS for code in range(_LARGEST)))


@dataclass(frozen=True, slots=True)
class Round:
    """The figures of a host and its VMs that ran.

    Of one reading these are `Figures`; of several, their averages and then the highest of each.
    """

    at: int
    """Seconds since 1970, the beginning of the time that it speaks of."""
    ids: array[int]
    codes: array[int]
    """Column after column, each in the order of the ids."""
    pools: Mapping[str, PoolSpace]
    """The host's storage pools, as they were at its end."""

    @classmethod
    def of(
        cls, at: int, figures: Mapping[int, Sequence[float | None]], pools: Mapping[str, PoolSpace] | None = None
    ) -> Round:
        """Of figures by id, all of them with the same number of columns."""
        ids = array("I", sorted(figures))
        codes = array("H")
        for column in zip(*(figures[identity] for identity in ids), strict=True):
            codes.extend(map(encode, column))
        return cls(at, ids, codes, pools or {})

    def figures(self, identity: int) -> list[float | None]:
        """Those of one id, none if it did not run."""
        try:
            position = self.ids.index(identity)
        except ValueError:
            return []
        return [decode(code) for code in self.codes[position :: len(self.ids)]]

    def codes_of(self, ids: array[int]) -> array[int]:
        """Its codes as if these were its ids, unknown for those that it does not have."""
        if ids == self.ids:
            return self.codes
        positions = {identity: position for position, identity in enumerate(self.ids)}
        wanted = [positions.get(identity) for identity in ids]
        codes = array("H")
        for first in range(0, len(self.codes), len(self.ids)):
            codes.extend(_UNKNOWN if one is None else self.codes[first + one] for one in wanted)
        return codes

    def pack(self) -> bytes:
        """Its ids and figures for the database."""
        columns = len(self.codes) // len(self.ids) if self.ids else 0
        header = _HEADER.pack(columns, len(self.ids))
        body = struct.pack(f"<{len(self.ids)}I{len(self.codes)}H", *self.ids, *self.codes)
        return header + zlib.compress(body, 1)

    @classmethod
    def unpack(cls, at: int, packed: bytes, pools: Mapping[str, PoolSpace] | None = None) -> Round:
        """What was packed."""
        columns, count = _HEADER.unpack_from(packed)
        body = zlib.decompress(packed[_HEADER.size :])
        ids = array("I", struct.unpack_from(f"<{count}I", body))
        codes = array("H", struct.unpack_from(f"<{count * columns}H", body, 4 * count))
        return cls(at, ids, codes, pools or {})


def rolled_up(at: int, rounds: Sequence[Round]) -> Round:
    """What several readings came to: of each figure the average of those that are known, and the highest."""
    ids = array("I", sorted({identity for one in rounds for identity in one.ids}))
    figure_of = _figures_by_code()
    averages, highest = array("H"), array("H")
    for codes in zip(*(one.codes_of(ids) for one in rounds if one.ids), strict=True):
        told: list[Any] = [figure_of[code] for code in codes if code]
        averages.append(encode(sum(told) / len(told)) if told else _UNKNOWN)
        highest.append(max(codes))
    return Round(at, ids, averages + highest, rounds[-1].pools)


def average_and_highest(figures: Sequence[float | None]) -> tuple[Figures, Figures]:
    """Of one id's figures in a `Round`: those of a single reading are both."""
    width = len(Figures._fields)
    if not figures:
        return Figures(), Figures()
    if len(figures) <= width:
        return Figures(*figures), Figures(*figures)
    half = len(figures) // 2
    return Figures(*figures[:half]), Figures(*figures[half:])
