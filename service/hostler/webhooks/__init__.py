# SPDX-License-Identifier: GPL-3.0-or-later
"""What changed, sent to whoever asked to be told: each event as a signed HTTP request."""
