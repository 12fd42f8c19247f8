# SPDX-License-Identifier: GPL-3.0-or-later
"""Hostler's REST service: VM lifecycle automation for libvirt hosts."""

from __future__ import annotations


def __getattr__(name: str) -> str:
    """Look the version up when somebody asks for it: what finds it costs half of ``hostler --help``."""
    if name == "__version__":
        from importlib.metadata import version

        return version("hostler")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
