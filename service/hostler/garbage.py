# SPDX-License-Identifier: GPL-3.0-or-later
"""How often Python's collector looks for garbage that holds on to itself.

By default it looks after each 700 new objects. A host's thousands of domains, or a page of VMs, are tens of thousands,
none of them such garbage, and to look through them all again and again took a third of the time of a comparison
(docs/benchmarks.md). What is let go of is freed at once all the same.
"""

from __future__ import annotations

import gc

_NEW_OBJECTS = 20_000


def look_less_often() -> None:
    """Have the collector look after 20,000 new objects, for the rest of the process's life."""
    gc.set_threshold(_NEW_OBJECTS, *gc.get_threshold()[1:])
