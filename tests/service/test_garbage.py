# SPDX-License-Identifier: GPL-3.0-or-later
"""The collector of a process that serves."""

from __future__ import annotations

import subprocess
import sys


def test_it_looks_less_often_and_old_objects_as_often_as_before() -> None:
    code = "import gc; before = gc.get_threshold(); from hostler.garbage import look_less_often as less; less()\n"
    code += "print(gc.get_threshold()[0] > before[0], gc.get_threshold()[1:] == before[1:], gc.isenabled())"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["True", "True", "True"]
