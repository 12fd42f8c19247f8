# SPDX-License-Identifier: GPL-3.0-or-later
"""Plots: one SVG a group of figures, bars against the peer and the target, readable on light and on dark pages.

The file holds both colour schemes, and whoever shows it takes the one that its reader prefers.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence

import matplotlib as mpl

mpl.use("svg")  # before pyplot, which would look for a screen

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.patches import Rectangle

from bench.figures import Figure

# colours that only stand for one of ours, and are replaced by it in the file
_INK, _MUTED, _BAR, _MISSED, _PEER, _TARGET = "#010101", "#020202", "#030303", "#040404", "#050505", "#060606"
_LIGHT = {
    _INK: "#1f2328", _MUTED: "#59636e", _BAR: "#0969da", _MISSED: "#cf222e", _PEER: "#afb8c1", _TARGET: "#bc4c00",
}  # fmt: skip
_DARK = {
    _INK: "#e6edf3", _MUTED: "#9198a1", _BAR: "#4493f8", _MISSED: "#f85149", _PEER: "#656c76", _TARGET: "#f0883e",
}  # fmt: skip
_NAMES = dict(zip(_LIGHT, ("ink", "muted", "bar", "missed", "peer", "target"), strict=True))
_ROW_INCHES = 0.62
_LEGEND_LETTERS = 72  # of all its entries, in one line


def svg(group: str, figures: Sequence[Figure]) -> str:
    """The plot of a group, all figures of one unit."""
    mpl.rcParams.update(
        {"svg.fonttype": "none", "svg.hashsalt": "hostler", "font.family": "sans-serif", "font.size": 10}
    )
    shown = list(reversed(figures))  # matplotlib counts from below
    canvas, axes = plt.subplots(figsize=(8.6, 1.25 + _ROW_INCHES * len(shown)), layout="constrained")
    for row, figure in enumerate(shown):
        _bars(axes, row, figure)
    axes.set_yticks(range(len(shown)), [figure.name for figure in shown])
    axes.set_title(
        f"{group} ({shown[0].unit}, {'more' if shown[0].better == 'higher' else 'less'} is better)",
        loc="left",
        color=_INK,
        fontweight="bold",
    )
    axes.set_xlim(0, 1.14 * max(max(one.value, one.peer or 0, one.target or 0) for one in shown))
    axes.tick_params(colors=_MUTED, length=0)
    for label in axes.get_yticklabels():
        label.set_color(_INK)
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(False)
    _legend(canvas, figures)
    text = io.StringIO()
    canvas.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    plt.close(canvas)
    return _with_schemes(text.getvalue())


def _bars(axes: Axes, row: int, figure: Figure) -> None:
    with_peer = figure.peer is not None
    top, height = (row + 0.16, 0.3) if with_peer else (row, 0.44)
    axes.barh(top, figure.value, height, color=_MISSED if figure.met is False else _BAR)
    axes.text(figure.value, top, f" {figure.value:,g}", va="center", color=_INK, fontsize=9)
    if figure.peer is not None:
        axes.barh(row - 0.16, figure.peer, 0.3, color=_PEER)
        axes.text(figure.peer, row - 0.16, f" {figure.peer:,g}", va="center", color=_MUTED, fontsize=9)
    if figure.target is not None:
        axes.plot([figure.target] * 2, [row - 0.38, row + 0.38], color=_TARGET, linewidth=2.2)


def _legend(canvas: Canvas, figures: Sequence[Figure]) -> None:
    handles = [Rectangle((0, 0), 1, 1, color=_BAR, label="Hostler")]
    if any(figure.met is False for figure in figures):
        handles.append(Rectangle((0, 0), 1, 1, color=_MISSED, label="Hostler, target missed"))
    if peer := next((figure.peer_name for figure in figures if figure.peer is not None), ""):
        handles.append(Rectangle((0, 0), 1, 1, color=_PEER, label=peer))
    targets = {figure.target_says for figure in figures if figure.target is not None}
    if targets:
        words = targets.pop() if len(targets) == 1 else "each has its own"
        label = f"target: {words}" if words else "target"
        handles.append(Rectangle((0, 0), 1, 1, color=_TARGET, label=label))
    letters = sum(len(str(handle.get_label())) for handle in handles)
    columns = len(handles) if letters < _LEGEND_LETTERS else 2
    canvas.legend(
        handles=handles, loc="outside lower center", ncols=columns, frameon=False,
        labelcolor=_INK, fontsize=9, handlelength=1.1, columnspacing=1.4,
    )  # fmt: skip


def _with_schemes(text: str) -> str:
    """Replace the colours that stand for ours by variables, which a style sheet in the file sets for both schemes."""

    def rules(colours: dict[str, str]) -> str:
        return f"svg{{{';'.join(f'--{_NAMES[key]}:{value}' for key, value in colours.items())}}}"

    for colour, name in _NAMES.items():
        text = text.replace(colour, f"var(--{name})")
    light = {name: _LIGHT[key] for key, name in _NAMES.items()}

    def with_colours(match: re.Match[str]) -> str:
        """For viewers that know no variables: they leave the style out, and see the attributes."""
        used = re.findall(r"(fill|stroke): var\(--(\w+)\)", match.group())
        return "".join(f'{what}="{light[name]}" ' for what, name in used) + match.group()

    text = re.sub(r'style="[^"]*var\([^"]*"', with_colours, text)
    style = f"<style>{rules(_LIGHT)}@media (prefers-color-scheme:dark){{{rules(_DARK)}}}</style>"
    return text.replace(" <metadata>", f" {style}\n <metadata>", 1)
