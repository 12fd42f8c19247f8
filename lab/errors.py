# SPDX-License-Identifier: GPL-3.0-or-later
"""The one error that the lab raises on purpose."""


class LabError(Exception):
    """What went wrong, and what its reader can do about it, in words for the screen."""
