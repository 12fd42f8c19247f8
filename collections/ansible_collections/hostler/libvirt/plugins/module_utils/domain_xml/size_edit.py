# SPDX-License-Identifier: GPL-3.0-or-later
"""New sizes of a domain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional


@dataclass(frozen=True)
class SizeEdit:
    """New sizes of a domain; None leaves one as it is. Memory in KiB."""

    vcpus: Optional[int] = None
    memory_kib: Optional[int] = None
