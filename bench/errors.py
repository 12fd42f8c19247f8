# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong with a benchmark."""


class BenchError(Exception):
    """A benchmark could not be taken; the message is one sentence for whoever runs it."""
