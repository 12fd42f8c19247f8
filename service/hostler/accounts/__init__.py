# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may use the service: users, their sessions and their tokens."""
