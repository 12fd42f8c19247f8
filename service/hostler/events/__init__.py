# SPDX-License-Identifier: GPL-3.0-or-later
"""What changed, told to whoever listens."""
