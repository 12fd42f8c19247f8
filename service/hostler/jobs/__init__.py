# SPDX-License-Identifier: GPL-3.0-or-later
"""Every write, as a row: who asked for what, and what became of it."""
