# SPDX-License-Identifier: GPL-3.0-or-later
"""How fast Hostler is, against targets, and against peers that are measured in the same run: ``make bench``."""
