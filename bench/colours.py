# SPDX-License-Identifier: GPL-3.0-or-later
"""Drawing into an SVG that is readable on light and on dark pages.

The file holds both colour schemes, and whoever shows it takes the one that its reader prefers.
"""

from __future__ import annotations

import io
import re

import matplotlib as mpl

mpl.use("svg")  # before pyplot, which would look for a screen

from matplotlib import pyplot as plt
from matplotlib.figure import Figure as Canvas

# colours that only stand for one of ours, and are replaced by it in the file
INK, MUTED, BAR, MISSED, PEER, TARGET = "#010101", "#020202", "#030303", "#040404", "#050505", "#060606"
_LIGHT = {
    INK: "#1f2328", MUTED: "#59636e", BAR: "#0969da", MISSED: "#cf222e", PEER: "#afb8c1", TARGET: "#bc4c00",
}  # fmt: skip
_DARK = {
    INK: "#e6edf3", MUTED: "#9198a1", BAR: "#4493f8", MISSED: "#f85149", PEER: "#656c76", TARGET: "#f0883e",
}  # fmt: skip
_NAMES = dict(zip(_LIGHT, ("ink", "muted", "bar", "missed", "peer", "target"), strict=True))


def prepare() -> None:
    """Set what all plots have in common."""
    mpl.rcParams.update(
        {"svg.fonttype": "none", "svg.hashsalt": "hostler", "font.family": "sans-serif", "font.size": 10}
    )


def finished(canvas: Canvas) -> str:
    """The SVG of a canvas, which is closed."""
    text = io.StringIO()
    canvas.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    plt.close(canvas)
    return _with_schemes(text.getvalue())


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
