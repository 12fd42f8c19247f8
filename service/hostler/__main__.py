# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m hostler`` is the command ``hostler``."""

from hostler.cli import main

main()
