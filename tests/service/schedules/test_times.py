# SPDX-License-Identifier: GPL-3.0-or-later
"""When a schedule runs, by the clocks of its time zone, changes of summer and winter included."""

from __future__ import annotations

import itertools
import zoneinfo
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostler.schedules.times import Times, UnreadableTimes, checked_cron, checked_time_zone

BERLIN = "Europe/Berlin"  # from 02:00 to 03:00 on 2027-03-28, and from 03:00 to 02:00 on 2027-10-31
BEFORE_SUMMER = datetime(2027, 3, 27, 23, tzinfo=UTC)
BEFORE_WINTER = datetime(2027, 10, 30, 22, tzinfo=UTC)  # midnight in Berlin


def times(cron: str, after: datetime, number: int, zone: str = BERLIN) -> list[str]:
    found = Times(None, cron, zone).several_after(after, number)
    return [one.strftime("%m-%d %H:%M") for one in found]


def test_a_time_zone_says_what_the_hour_is() -> None:
    assert times("0 2 * * MON-FRI", datetime(2027, 1, 1, tzinfo=UTC), 3) == [
        "01-01 01:00",
        "01-04 01:00",
        "01-05 01:00",
    ]
    assert times("0 2 * * *", datetime(2027, 7, 1, tzinfo=UTC), 1) == ["07-02 00:00"]
    assert times("0 2 * * *", datetime(2027, 7, 1, tzinfo=UTC), 1, "Asia/Kolkata") == ["07-01 20:30"]
    assert times("0 2 L * *", datetime(2028, 2, 1, tzinfo=UTC), 1, "UTC") == ["02-29 02:00"]


def test_a_time_that_the_clocks_skip_comes_right_after_the_gap_and_once() -> None:
    assert times("30 2 * * *", BEFORE_SUMMER, 2) == ["03-28 01:00", "03-29 00:30"]
    assert times("0,30 2 * * *", BEFORE_SUMMER, 2) == ["03-28 01:00", "03-29 00:00"]
    assert times("0 2,3 * * *", BEFORE_SUMMER, 2) == ["03-28 01:00", "03-29 00:00"]


def test_a_time_that_the_clocks_show_twice_comes_the_first_time() -> None:
    assert times("30 2 * * *", BEFORE_WINTER, 2) == ["10-31 00:30", "11-01 01:30"]
    # asked in the hour that comes for the second time
    assert times("30 2 * * *", datetime(2027, 10, 31, 1, 10, tzinfo=UTC), 1) == ["11-01 01:30"]


def test_what_runs_every_so_often_follows_the_clocks_as_they_are() -> None:
    assert times("0 * * * *", BEFORE_SUMMER, 3) == ["03-28 00:00", "03-28 01:00", "03-28 02:00"]
    assert times("0 * * * *", BEFORE_WINTER, 3) == ["10-30 23:00", "10-31 00:00", "10-31 01:00"]
    assert times("*/30 2 * * *", BEFORE_SUMMER, 1) == ["03-29 00:00"]
    assert times("*/30 2 * * *", BEFORE_WINTER, 5) == [
        "10-31 00:00",
        "10-31 00:30",
        "10-31 01:00",
        "10-31 01:30",
        "11-01 01:00",
    ]


def test_a_run_is_in_time_if_one_of_its_times_is_recent() -> None:
    due = datetime(2027, 1, 1, 1, tzinfo=UTC)
    daily = Times(None, "0 2 * * *", BERLIN)
    assert daily.is_in_time(due, due, 0)
    assert daily.is_in_time(due, due + timedelta(seconds=60), 60)
    assert not daily.is_in_time(due, due + timedelta(seconds=61), 60)
    assert not daily.is_in_time(due, due + timedelta(days=2, hours=-1), 60)
    assert daily.is_in_time(due, due + timedelta(days=2, seconds=30), 60)  # the one of today is
    once = Times(due, None, "UTC")
    assert once.is_in_time(due, due + timedelta(seconds=60), 60)
    assert not once.is_in_time(due, due + timedelta(seconds=61), 60)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "five fields"),
        ("* * * *", "five fields"),
        ("0 * * * * *", "five fields"),
        ("@daily", "five fields"),
        ("60 * * * *", "bad minute"),
        ("* 24 * * *", "bad hour"),
        ("* * 0 * *", "bad day-of-month"),
        ("* * 31 2 *", "bad day-of-month"),
        ("* * * 13 *", "bad month"),
        ("* * * * 8", "bad day-of-week"),
        ("*/0 * * * *", "bad minute"),
        ("1-0 * * * *", "bad minute"),
        ("٣ * * * *", "bad minute"),
    ],
)
def test_what_is_no_expression_is_told_why(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        checked_cron(text)


def test_an_expression_is_kept_with_single_spaces() -> None:
    assert checked_cron(" 0\t2  * * mon#1 ") == "0 2 * * mon#1"


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Berlin",
        "europe/berlin",
        "../etc/passwd",
        "/etc/localtime",
        "localtime",
        "+01:00",
        "Europe",
        "posix/UTC",
        "leapseconds",
        "x" * 64,
    ],
)
def test_what_is_no_time_zone_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="IANA"):
        checked_time_zone(name)


def test_every_name_of_the_database_is_a_time_zone() -> None:
    for name in zoneinfo.available_timezones() - {"Factory", "localtime"}:
        assert checked_time_zone(name) == name


def test_what_another_machine_could_read_is_told_of_and_not_passed_over() -> None:
    with pytest.raises(UnreadableTimes, match="time zone 'Europe/Atlantis' is not known here"):
        Times(None, "0 2 * * *", "Europe/Atlantis").after(BEFORE_SUMMER)
    with pytest.raises(UnreadableTimes, match="'0 25 \\* \\* \\*' is no cron expression: bad hour"):
        Times(None, "0 25 * * *", BERLIN).after(BEFORE_SUMMER)


def test_an_expression_may_have_no_time_at_all() -> None:
    assert Times(None, "* * */20 * 1L", "UTC").after(BEFORE_SUMMER) is None


@given(st.text(alphabet="0123456789*/-,#LWMONFEB ", max_size=40))
def test_every_text_is_an_expression_or_refused(text: str) -> None:
    try:
        cron = checked_cron(text)
    except ValueError:
        return
    following = Times(None, cron, BERLIN).after(BEFORE_WINTER)
    assert following is None or following > BEFORE_WINTER


@given(
    st.sampled_from(sorted(zoneinfo.available_timezones() - {"Factory", "localtime"})),
    st.sampled_from(["30 2 * * *", "15,45 0-3 * * *", "*/20 * * * *", "*/10 1 * * *", "0 0 * * SUN", "59 23 L * *"]),
    st.integers(0, 20 * 365 * 24 * 60).map(lambda minutes: BEFORE_SUMMER + timedelta(minutes=minutes)),
)
def test_each_time_is_later_than_the_one_before(zone: str, cron: str, moment: datetime) -> None:
    found = [moment, *Times(None, cron, zone).several_after(moment, 4)]
    assert len(found) == 5
    assert all(earlier < later for earlier, later in itertools.pairwise(found))
