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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.pool import PoolSpace
from hostler.statistics.figures import Figures

HOST = 0
"""Stands in the place of a VM's id for the host itself; no VM has it."""

_UNKNOWN = 0xFFFF
_FINENESS = 100
"""Figures are told apart by a hundredth of their unit where they are small: a request in a minute shows."""
_LARGEST = 0xFFFE
_STEPS = _LARGEST / math.log1p(1e13 * _FINENESS)
_HEADER = struct.Struct("<BI")
"""How many columns there are, and how many ids."""


def encode(value: float | None) -> int:
    """The two bytes of a figure, which is not negative."""
    if value is None:
        return _UNKNOWN
    return min(round(math.log1p(value * _FINENESS) * _STEPS), _LARGEST)


def decode(code: int) -> float | None:
    """The figure of two bytes."""
    return None if code == _UNKNOWN else math.expm1(code / _STEPS) / _FINENESS


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
        codes = array("H")
        for column in zip(*figures.values(), strict=True):
            codes.extend(map(encode, column))
        return cls(at, array("I", figures), codes, pools or {})

    def figures(self, identity: int) -> list[float | None]:
        """Those of one id, none if it did not run."""
        try:
            return self._figures_at(self.ids.index(identity))
        except ValueError:
            return []

    def all_figures(self) -> Iterator[tuple[int, list[float | None]]]:
        """Each id with its figures."""
        return ((identity, self._figures_at(position)) for position, identity in enumerate(self.ids))

    def _figures_at(self, position: int) -> list[float | None]:
        return [decode(code) for code in self.codes[position :: len(self.ids)]]

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
    by_id: dict[int, list[list[float | None]]] = {}
    for one in rounds:
        for identity, found in one.all_figures():
            by_id.setdefault(identity, []).append(found)
    figures = {
        identity: [*map(_average, zip(*several, strict=True)), *map(_highest, zip(*several, strict=True))]
        for identity, several in by_id.items()
    }
    return Round.of(at, figures, rounds[-1].pools)


def average_and_highest(figures: Sequence[float | None]) -> tuple[Figures, Figures]:
    """Of one id's figures in a `Round`: those of a single reading are both."""
    width = len(Figures._fields)
    if not figures:
        return Figures(), Figures()
    if len(figures) <= width:
        return Figures(*figures), Figures(*figures)
    half = len(figures) // 2
    return Figures(*figures[:half]), Figures(*figures[half:])


def _average(values: Iterable[float | None]) -> float | None:
    told = [value for value in values if value is not None]
    return sum(told) / len(told) if told else None


def _highest(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)
