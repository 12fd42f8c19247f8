# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures made small, and made one of many."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.pool import PoolSpace
from hostler.statistics.figures import Figures
from hostler.statistics.round import HOST, Round, average_and_highest, decode, encode, rolled_up

WIDTH = len(Figures._fields)
FIGURE = some.none() | some.floats(min_value=0, max_value=1e12)
FIGURES = some.builds(lambda values: Figures(*values), some.lists(FIGURE, min_size=WIDTH, max_size=WIDTH))
BY_ID = some.dictionaries(some.integers(min_value=0, max_value=2**31 - 1), FIGURES, max_size=5)


@given(FIGURE)
def test_a_figure_is_right_to_a_twentieth_of_a_percent_or_a_hundredth(figure: float | None) -> None:
    found = decode(encode(figure))

    assert found == (None if figure is None else pytest.approx(figure, rel=0.0005, abs=0.01))


@given(FIGURE)
def test_a_figure_that_was_stored_once_is_stored_again_as_it_is(figure: float | None) -> None:
    assert encode(decode(encode(figure))) == encode(figure)


def test_nothing_at_all_stays_nothing_and_more_than_can_be_said_is_the_most() -> None:
    assert decode(encode(0.0)) == 0.0
    assert encode(1e30) == encode(1e29) > encode(1e12) > encode(0.0) > encode(None)


@settings(max_examples=50)
@given(BY_ID)
def test_what_is_packed_is_the_same_unpacked(figures: dict[int, Figures]) -> None:
    pools = {"default": PoolSpace(100, 50)}
    one = Round.of(1_700_000_000, figures, pools)

    found = Round.unpack(one.at, one.pack(), pools)

    assert found == one
    for identity, values in figures.items():
        assert found.figures(identity) == [decode(encode(value)) for value in values]
    assert found.figures(2**31) == []


@settings(max_examples=50)
@given(some.lists(BY_ID, min_size=1, max_size=4))
def test_of_several_readings_the_average_lies_between_the_least_and_the_highest(
    readings: list[dict[int, Figures]],
) -> None:
    together = rolled_up(600, [Round.of(600 + 15 * index, one) for index, one in enumerate(readings)])

    assert together.at == 600
    assert set(together.ids) == set().union(*readings)
    for identity in together.ids:
        average, highest = average_and_highest(together.figures(identity))
        for column in range(WIDTH):
            told = [one[identity][column] for one in readings if identity in one]
            values = [value for value in told if value is not None]
            if not values:
                assert (average[column], highest[column]) == (None, None)
                continue
            assert highest[column] == pytest.approx(max(values), rel=0.0005, abs=0.01)
            assert average[column] == pytest.approx(sum(values) / len(values), rel=0.002, abs=0.02)


def test_the_pools_of_several_readings_are_those_of_the_last() -> None:
    readings = [Round.of(at, {HOST: Figures()}, {"default": PoolSpace(10, at)}) for at in (0, 15, 30)]

    assert rolled_up(0, readings).pools == {"default": PoolSpace(10, 30)}


def test_a_reading_by_itself_is_its_own_average_and_highest_and_who_is_not_in_it_has_none() -> None:
    one = Round.of(0, {3: Figures(cpu_percent=50.0)})

    average, highest = average_and_highest(one.figures(3))
    assert average == highest
    assert average.cpu_percent == pytest.approx(50, rel=0.0005)
    assert average_and_highest(one.figures(4)) == (Figures(), Figures())


def test_five_hundred_vms_of_which_none_does_anything_take_next_to_nothing() -> None:
    idle = Figures(0.0, 2048.0, None, 1024.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)

    assert len(Round.of(0, dict.fromkeys(range(500), idle)).pack()) < 2000
