# SPDX-License-Identifier: GPL-3.0-or-later
"""How fine the last day is kept: every reading for an hour, minutes for six, five minutes for all of it."""

from __future__ import annotations

from collections.abc import Sequence

MINUTE = 60
HOUR = 3600
DAY = 24 * HOUR

_COARSE = (MINUTE, 5 * MINUTE)


def kept_seconds(resolution: int) -> int:
    """For how long figures of that resolution, in seconds, are kept."""
    if resolution < MINUTE:
        return HOUR
    return 6 * HOUR if resolution < 5 * MINUTE else DAY


def resolutions(reading_seconds: int) -> tuple[int, ...]:
    """Those that are kept with a reading every so often, the finest, which is the reading's own, first."""
    return (reading_seconds, *(coarse for coarse in _COARSE if coarse > reading_seconds))


def resolution_for(seconds: int, kept: Sequence[int]) -> int:
    """The finest of those that are kept whose figures reach back that many seconds; the coarsest if none does.

    With a minute's grace: an hour that a client counts back is a little longer when it arrives here.
    """
    return next((one for one in kept if kept_seconds(one) + MINUTE >= seconds), kept[-1])


def slot(moment: float, resolution: int) -> int:
    """The beginning of the time that a moment is part of."""
    return int(moment // resolution) * resolution
