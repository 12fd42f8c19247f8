# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the service lives, and whether it can serve."""
