# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a host's readings is in memory, as time passes: each is written once, each time that is over comes to one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from hypothesis import given, settings
from hypothesis import strategies as some

from hostler.statistics.figures import Figures
from hostler.statistics.history import History, Page, restored_from
from hostler.statistics.resolution import resolutions, slot
from hostler.statistics.round import Round, average_and_highest

BEGIN = 1_700_000_100


def reading(at: float, seconds: int, busy: float = 1.0) -> Round:
    return Round.of(slot(at, seconds), {1: Figures(cpu_percent=busy)})


def flush(history: History, moment: float, into: list[Page]) -> None:
    pages = history.pages(moment)
    history.written(pages)
    history.forget(moment)
    into += pages


@settings(max_examples=50)
@given(
    some.sampled_from([1, 7, 15, 40, 60, 300]),
    some.lists(some.tuples(some.floats(min_value=0.1, max_value=200), some.booleans()), min_size=1, max_size=60),
)
def test_each_reading_is_written_once_and_each_time_that_is_over_comes_to_one(
    seconds: int, passing: list[tuple[float, bool]]
) -> None:
    kept = resolutions(seconds)
    history, written, readings = History(kept), list[Page](), dict[int, Round]()
    now = float(BEGIN)
    flushed = now
    for pause, writes in passing:
        now += pause
        readings.setdefault(slot(now, seconds), reading(now, seconds))
        history.add(reading(now, seconds))
        if writes or now - flushed > 60:  # as the clock does it, once a minute
            flush(history, now, written)
            flushed = now
    assert not history.is_settled or seconds == 300
    end = now + 1000
    flush(history, end, written)
    assert history.is_settled

    counted = Counter((page.resolution, page.round.at) for page in written)
    expected = {(resolution, slot(at, resolution)) for resolution in kept for at in readings}
    assert set(counted) == expected
    assert set(counted.values()) == {1}


def kept_of(seconds: int, restarts: Collection[int]) -> dict[tuple[int, int], float | None]:
    """What the database has after forty minutes of a service that was stopped and started at some of the readings."""
    kept, history, written = resolutions(seconds), History(resolutions(seconds)), list[Page]()
    for count, at in enumerate(range(BEGIN, BEGIN + 2400, seconds)):
        if count in restarts:
            flush(history, at, written)
            since = restored_from(at, kept)
            rows = [page.round for page in written if page.resolution == seconds and page.round.at >= since]
            history = History(kept, rows)
        history.add(reading(at, seconds, at % 97))
        if count % 5 == 0:
            flush(history, at, written)
    flush(history, BEGIN + 3600, written)
    found: dict[tuple[int, int], float | None] = {}
    for page in written:  # of two for one time the database keeps the first
        average, _ = average_and_highest(page.round.figures(1))
        found.setdefault((page.resolution, page.round.at), average.cpu_percent)
    return found


@settings(max_examples=20)
@given(some.sampled_from([15, 45, 60, 300]), some.sets(some.integers(min_value=0, max_value=160), max_size=4))
def test_a_service_that_is_stopped_and_started_goes_on_where_it_was(seconds: int, restarts: set[int]) -> None:
    assert kept_of(seconds, restarts) == kept_of(seconds, ())


def test_it_stays_small_whether_it_is_written_down_or_not() -> None:
    history = History(resolutions(15))
    for at in range(BEGIN, BEGIN + 86400, 15):
        history.add(reading(at, 15))
        history.forget(at)
        assert len(history.unwritten) <= 600 / 15 + 1


def test_two_readings_of_one_moment_are_one() -> None:
    history = History(resolutions(15))
    history.add(reading(BEGIN, 15, 10))
    history.add(reading(BEGIN + 3, 15, 90))

    assert [average_and_highest(one.figures(1))[0].cpu_percent for one in history.unwritten] == [
        average_and_highest(reading(BEGIN, 15, 10).figures(1))[0].cpu_percent
    ]


def test_a_clock_that_is_set_back_by_an_hour_ends_nothing() -> None:
    history, written = History(resolutions(15)), list[Page]()
    for at in range(BEGIN, BEGIN + 120, 15):
        history.add(reading(at, 15))
    flush(history, BEGIN + 120, written)
    for at in range(BEGIN - 3600, BEGIN - 3480, 15):
        history.add(reading(at, 15))

    later = list[Page]()
    flush(history, BEGIN - 3480, later)
    assert len([page for page in later if page.resolution == 15]) == 8
