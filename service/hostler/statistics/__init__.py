# SPDX-License-Identifier: GPL-3.0-or-later
"""What hosts and VMs use: read on a slow clock, kept for a day at falling resolution (docs/decisions/statistics.md)."""
