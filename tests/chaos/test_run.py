# SPDX-License-Identifier: GPL-3.0-or-later
"""A run for some seconds, as ``make chaos`` makes one for minutes."""

from __future__ import annotations

import pytest

from chaos.run import Plan, run

pytestmark = [pytest.mark.lab, pytest.mark.slow]


def test_nothing_is_lost_while_two_hosts_fail() -> None:
    outcome = run(Plan(minutes=0.5, hosts=2, seed=1))

    assert outcome.wrong == []
    assert outcome.faults, "something failed"
    assert outcome.did, "somebody worked with virsh"
    assert outcome.answers["201"], "somebody made a VM"
    assert outcome.events > len(outcome.used) > 1
