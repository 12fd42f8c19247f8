# SPDX-License-Identifier: GPL-3.0-or-later
"""The base images that new disks are made from."""
