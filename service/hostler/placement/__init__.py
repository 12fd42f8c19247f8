# SPDX-License-Identifier: GPL-3.0-or-later
"""Which server a new VM goes to, where its client names none, and why."""
