# SPDX-License-Identifier: GPL-3.0-or-later
"""One action on many VMs: a job for each, and one above them."""
