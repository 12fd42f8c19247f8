# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a host could not be reached, where that is about who trusts whom: said so that the credential can be mended.

What libvirt and ``ssh`` say beyond that names addresses and files of the service's, and is for its log.
"""

from __future__ import annotations

_SAID = (
    ("Host key verification failed", "it shows another SSH host key than the one that is expected"),
    ("Permission denied", "it does not take the SSH key"),
    ("Credential '", "its credential can't be used with the key that seals the service's secrets"),
    ("certificate", "its certificate, or the one it was shown, is not trusted"),
    ("Certificate", "its certificate, or the one it was shown, is not trusted"),
)
_NO_FILE = "No such file or directory"


def refusal_in(message: str) -> str | None:
    """What ``message`` says about trust, in words for a client; None where it is about something else."""
    if _NO_FILE in message:
        return None  # the service's user has no certificates at all: a matter of its machine, not of trust
    return next((words for said, words in _SAID if said in message), None)
