# SPDX-License-Identifier: GPL-3.0-or-later
"""A call that never ends keeps nobody waiting; what it brings too late is not lost."""

import queue
import threading

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.patience import UnderWay, within


def test_what_comes_in_time_is_the_answer() -> None:
    def refuse() -> int:
        raise ValueError("no")

    assert within(60, lambda: 7, too_late=lambda _: None) == 7
    with pytest.raises(ValueError, match="no"):
        within(60, refuse, too_late=lambda _: None)


def test_what_comes_too_late_is_given_to_whoever_tidies_up() -> None:
    go_on = threading.Event()
    late: queue.Queue[str] = queue.Queue()

    def work() -> str:
        go_on.wait(60)
        return "late"

    with pytest.raises(TimeoutError):
        within(0.01, work, too_late=late.put)
    go_on.set()

    assert late.get(timeout=60) == "late"


def test_what_was_begun_is_looked_after_until_it_ends() -> None:
    go_on = threading.Event()

    def refuse() -> int:
        raise ValueError("no")

    call = UnderWay(lambda: (go_on.wait(60), 7)[1])
    assert not call.ends_within(0.01)
    go_on.set()
    assert call.ends_within(60)
    assert call.result() == 7
    failed = UnderWay(refuse)
    assert failed.ends_within(60)
    with pytest.raises(ValueError, match="no"):
        failed.result()
