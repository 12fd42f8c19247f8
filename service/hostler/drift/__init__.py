# SPDX-License-Identifier: GPL-3.0-or-later
"""How VMs of ours differ from what they were asked to be."""
