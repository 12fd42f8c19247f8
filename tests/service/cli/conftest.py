# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the command line's tests."""

from tests.service.cli.command import hostler
from tests.service.serving import serve

__all__ = ["hostler", "serve"]
