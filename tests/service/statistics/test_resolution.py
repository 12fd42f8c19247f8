# SPDX-License-Identifier: GPL-3.0-or-later
"""How fine which time is kept."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from hostler.statistics.resolution import DAY, HOUR, kept_seconds, resolution_for, resolutions, slot


@pytest.mark.parametrize(
    ("reading", "kept"), [(1, (1, 60, 300)), (15, (15, 60, 300)), (60, (60, 300)), (120, (120, 300)), (300, (300,))]
)
def test_readings_are_kept_as_they_are_and_coarser(reading: int, kept: tuple[int, ...]) -> None:
    assert resolutions(reading) == kept
    assert kept_seconds(kept[-1]) == DAY


@given(some.integers(min_value=1, max_value=300), some.integers(min_value=0, max_value=2 * DAY))
def test_the_finest_is_taken_that_reaches_back_far_enough(reading: int, seconds: int) -> None:
    kept = resolutions(reading)
    taken = resolution_for(seconds, kept)

    assert taken in kept
    assert kept_seconds(taken) + 60 >= min(seconds, DAY)
    assert all(kept_seconds(finer) < seconds for finer in kept if finer < taken)


def test_an_hour_that_began_a_moment_ago_is_an_hour() -> None:
    assert resolution_for(HOUR + 5, resolutions(15)) == 15
    assert resolution_for(6 * HOUR + 5, resolutions(15)) == 60


@given(some.floats(min_value=0, max_value=4e9), some.integers(min_value=1, max_value=300))
def test_a_moment_lies_in_its_slot(moment: float, resolution: int) -> None:
    begin = slot(moment, resolution)

    assert begin <= moment < begin + resolution
    assert begin % resolution == 0
