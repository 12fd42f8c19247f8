# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit: who did what, from where, on what, before and after; append-only, and chained by hash."""
