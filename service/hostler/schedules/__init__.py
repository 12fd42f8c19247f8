# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done to VMs at a time, or again and again at the times of a cron expression."""
