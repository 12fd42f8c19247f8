# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking at everything that the service lives on: one small function for each thing, and nothing is changed."""
