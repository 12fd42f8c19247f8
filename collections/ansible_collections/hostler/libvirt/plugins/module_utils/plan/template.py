# SPDX-License-Identifier: GPL-3.0-or-later
"""A VM that others are built upon: it never runs, and nobody writes to its disks."""

from __future__ import annotations

from typing import Optional

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import WrongState
from ansible_collections.hostler.libvirt.plugins.module_utils.identity import Record


def require_no_template(record: Optional[Record], name: str, doing: str) -> None:
    """Raise `WrongState` for a template, of which ``doing`` says what can't be done to it."""
    if record is not None and record.template:
        raise WrongState(f"VM '{name}' is a template, upon whose disks others may be built: it can't {doing}")
