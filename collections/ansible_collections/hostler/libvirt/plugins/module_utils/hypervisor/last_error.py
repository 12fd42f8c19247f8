# SPDX-License-Identifier: GPL-3.0-or-later
"""What libvirt last said was wrong, by thread.

Its Python library asks for that only once a call has returned. If Python frees another of its objects in between, as
its garbage collector may at any moment, that call of libvirt's forgets the error, and the exception has none.
"""

from __future__ import annotations

import threading
from typing import Any, Optional

_of_thread = threading.local()


def note(_context: Any, error: Any) -> None:
    """Take what libvirt says is wrong, in the thread in which it is: a handler for ``registerErrorHandler``."""
    _of_thread.error = error


def take() -> Optional[Any]:
    """That of the calling thread, as ``libvirtError.err`` has it; None if there is none, or it has been taken."""
    error = getattr(_of_thread, "error", None)
    _of_thread.error = None
    return error
