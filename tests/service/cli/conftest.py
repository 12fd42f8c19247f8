# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the command line's tests."""

from tests.service.serving import serve

__all__ = ["serve"]
