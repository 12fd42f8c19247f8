# SPDX-License-Identifier: GPL-3.0-or-later
"""The services that work on one database: which of them are alive, and what they tell each other."""
