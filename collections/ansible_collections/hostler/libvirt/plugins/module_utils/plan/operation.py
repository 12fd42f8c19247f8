# SPDX-License-Identifier: GPL-3.0-or-later
"""What all operations are, and nothing else: whoever needs some of them imports those alone.

Ansible sends a module with all that it imports, on whatever line, to each host and for each task.
"""

from __future__ import annotations


class Operation:
    """One thing that is done to a VM or a network, as plain data.

    What does it stands in a table, by the operation's class.
    """
