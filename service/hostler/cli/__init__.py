# SPDX-License-Identifier: GPL-3.0-or-later
"""The command ``hostler``. Nothing heavy is imported before a command runs, so that help and completion are quick."""

from hostler.cli.main import main

__all__ = ["main"]
