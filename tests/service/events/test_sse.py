# SPDX-License-Identifier: GPL-3.0-or-later
"""An event as bytes."""

from __future__ import annotations

import json

from hostler.events.sse import frame

NAME = "x\u2028y\u2029z\x85é"


def test_no_reader_that_splits_lines_cuts_the_data() -> None:
    framed = frame("vm.changed", json.dumps({"name": NAME}, ensure_ascii=False), "7")

    lines = framed.decode().splitlines()

    assert lines[:2] == ["id: 7", "event: vm.changed"]
    assert json.loads(lines[2].removeprefix("data: ")) == {"name": NAME}
    assert lines[3:] == [""]
