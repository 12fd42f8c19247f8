# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that fail while everybody works on them, and the question whether anything was lost."""
