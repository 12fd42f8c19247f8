# SPDX-License-Identifier: GPL-3.0-or-later
"""A number of things, in words."""

import pytest

from hostler.counted import counted


@pytest.mark.parametrize(("number", "words"), [(0, "0 VMs"), (1, "1 VM"), (2, "2 VMs")])
def test_one_is_no_plural(number: int, words: str) -> None:
    assert counted(number, "VM") == words
