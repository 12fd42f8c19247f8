# SPDX-License-Identifier: GPL-3.0-or-later
"""Each operation once with each thing that can be killed in its middle; ``make chaos ARGS=moments`` does 200."""

from __future__ import annotations

import pytest

from chaos.moments import MomentsPlan, run_moments

pytestmark = [pytest.mark.lab, pytest.mark.slow]


# on PostgreSQL a worker carries the jobs out, and is killed, too
@pytest.mark.parametrize(("postgres", "times"), [(False, 13), (True, 17)], ids=["SQLite", "PostgreSQL"])
def test_whatever_is_killed_in_the_middle_of_an_operation_nothing_is_lost_or_left(postgres: bool, times: int) -> None:
    outcome = run_moments(MomentsPlan(times, 1, postgres))

    assert outcome.wrong == []
    assert outcome.moments == times
    assert any(what.endswith(", worker") for what in outcome.ends) == postgres
    assert {what.split(", ")[0] for what in outcome.ends} == {"create", "clone", "resize", "delete", "snapshot"}
