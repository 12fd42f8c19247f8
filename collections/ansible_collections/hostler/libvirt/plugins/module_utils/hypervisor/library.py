# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt-python, or the reason why it is not there.

Modules run on hypervisors that may lack it, and have to say so in Ansible's words; so importing this package never
fails, and nothing in it uses ``libvirt`` before somebody connects.
"""

from __future__ import annotations

import traceback
from typing import Any, Optional, Tuple


def _load() -> Tuple[Any, Optional[str]]:
    try:
        import libvirt
    except ImportError:
        return None, traceback.format_exc()
    return libvirt, None


libvirt, LIBVIRT_IMPORT_ERROR = _load()
"""The library, None where it is missing; the traceback of the failed import, None where it is there."""
