# SPDX-License-Identifier: GPL-3.0-or-later
"""The plot of what the service used during a run: memory, threads, file descriptors, each over the minutes."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib import pyplot as plt

from bench.colours import BAR, INK, MUTED, finished, prepare
from chaos.usage import Use

_ROWS = {"memory (MiB)": "memory_mib", "threads": "threads", "file descriptors": "descriptors"}


def svg(title: str, used: Sequence[Use]) -> str:
    """One row for each, from zero up."""
    prepare()
    canvas, rows = plt.subplots(len(_ROWS), figsize=(8.6, 5.4), layout="constrained", sharex=True)
    minutes = [one.at / 60 for one in used]
    for axes, (name, attribute) in zip(rows, _ROWS.items(), strict=True):
        values = [getattr(one, attribute) for one in used]
        axes.plot(minutes, values, color=BAR, linewidth=1.4)
        axes.set_ylim(0, 1.15 * max(values))
        axes.set_title(name, loc="left", color=INK, fontsize=9)
        axes.tick_params(colors=MUTED, length=0)
        for side in ("top", "right", "left"):
            axes.spines[side].set_visible(False)
        axes.spines["bottom"].set_color(MUTED)
        axes.margins(x=0)
    rows[-1].set_xlabel("minutes", color=MUTED)
    canvas.suptitle(title, x=0.01, ha="left", color=INK, fontweight="bold", fontsize=10)
    return finished(canvas)
