# SPDX-License-Identifier: GPL-3.0-or-later
"""What Prometheus is told: counted where it happens (`measures`), or read from the database when asked (`stored`)."""
