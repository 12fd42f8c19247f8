# SPDX-License-Identifier: GPL-3.0-or-later
"""Hostler's REST service: VM lifecycle automation for libvirt hosts."""

from importlib.metadata import version

__version__ = version("hostler")
