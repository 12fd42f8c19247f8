# SPDX-License-Identifier: GPL-3.0-or-later
"""Plots: one SVG a group of figures, bars against the peer and the target."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.patches import Rectangle

from bench.colours import BAR, INK, MISSED, MUTED, PEER, TARGET, finished, prepare
from bench.figures import Figure

_ROW_INCHES = 0.62
_LEGEND_LETTERS = 72  # of all its entries, in one line


def svg(group: str, figures: Sequence[Figure]) -> str:
    """The plot of a group, all figures of one unit."""
    prepare()
    shown = list(reversed(figures))  # matplotlib counts from below
    canvas, axes = plt.subplots(figsize=(8.6, 1.25 + _ROW_INCHES * len(shown)), layout="constrained")
    for row, figure in enumerate(shown):
        _bars(axes, row, figure)
    axes.set_yticks(range(len(shown)), [figure.name for figure in shown])
    # over all of the plot: beside long names on the left a title over the bars alone would be cut off
    canvas.suptitle(
        f"{group} ({shown[0].unit}, {'more' if shown[0].better == 'higher' else 'less'} is better)",
        x=0.01,
        ha="left",
        color=INK,
        fontsize="large",
        fontweight="bold",
    )
    axes.set_xlim(0, 1.14 * max(max(one.value, one.peer or 0, one.target or 0) for one in shown))
    axes.tick_params(colors=MUTED, length=0)
    for label in axes.get_yticklabels():
        label.set_color(INK)
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(False)
    _legend(canvas, figures)
    return finished(canvas)


def _bars(axes: Axes, row: int, figure: Figure) -> None:
    with_peer = figure.peer is not None
    top, height = (row + 0.16, 0.3) if with_peer else (row, 0.44)
    axes.barh(top, figure.value, height, color=MISSED if figure.met is False else BAR)
    axes.text(figure.value, top, f" {figure.value:,g}", va="center", color=INK, fontsize=9)
    if figure.peer is not None:
        axes.barh(row - 0.16, figure.peer, 0.3, color=PEER)
        axes.text(figure.peer, row - 0.16, f" {figure.peer:,g}", va="center", color=MUTED, fontsize=9)
    if figure.target is not None:
        axes.plot([figure.target] * 2, [row - 0.38, row + 0.38], color=TARGET, linewidth=2.2)


def _legend(canvas: Canvas, figures: Sequence[Figure]) -> None:
    handles = [Rectangle((0, 0), 1, 1, color=BAR, label="Hostler")]
    if any(figure.met is False for figure in figures):
        handles.append(Rectangle((0, 0), 1, 1, color=MISSED, label="Hostler, target missed"))
    if peer := next((figure.peer_name for figure in figures if figure.peer is not None), ""):
        handles.append(Rectangle((0, 0), 1, 1, color=PEER, label=peer))
    targets = {figure.target_says for figure in figures if figure.target is not None}
    if targets:
        words = targets.pop() if len(targets) == 1 else "each has its own"
        label = f"target: {words}" if words else "target"
        handles.append(Rectangle((0, 0), 1, 1, color=TARGET, label=label))
    letters = sum(len(str(handle.get_label())) for handle in handles)
    columns = len(handles) if letters < _LEGEND_LETTERS else 2
    canvas.legend(
        handles=handles, loc="outside lower center", ncols=columns, frameon=False,
        labelcolor=INK, fontsize=9, handlelength=1.1, columnspacing=1.4,
    )  # fmt: skip
