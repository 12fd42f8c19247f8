# SPDX-License-Identifier: GPL-3.0-or-later
"""What a guest's cloud-init is told."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Iterator, Optional, Sequence, Tuple

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import FieldError
from ansible_collections.hostler.libvirt.plugins.module_utils.fields import facts

HOSTNAME_PATTERN = (
    r"^(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$"
)


@dataclass(frozen=True)
class CloudInit:
    """What the guest's cloud-init is told, on a NoCloud seed that is attached as a CD-ROM.

    Its secrets are left out of its representation, which ends up in logs.
    """

    hostname: Optional[str] = field(
        default=None,
        metadata=facts(
            "The guest's host name; the VM's name where it is left out.",
            pattern=HOSTNAME_PATTERN,
            pattern_says="a host name of letters, digits, dashes and dots",
        ),
    )
    ssh_authorized_keys: Tuple[str, ...] = field(
        default=(), metadata=facts("Public keys that may log in as the image's default user.", max_length=100)
    )
    user_data: Optional[str] = field(
        default=None,
        repr=False,
        metadata=facts(
            "cloud-init user data, passed on as it is (C(#cloud-config), a script, MIME).",
            max_length=1024 * 1024,
            secret=True,
        ),
    )
    network_config: Optional[str] = field(
        default=None,
        repr=False,
        metadata=facts(
            "cloud-init network configuration (version 1 or 2), passed on as it is. It may hold passwords of networks.",
            max_length=64 * 1024,
            secret=True,
        ),
    )


def key_errors(path: str, keys: Sequence[str]) -> Iterator[FieldError]:
    """What is wrong with public keys, each by its index."""
    for index, key in enumerate(keys):
        # one key a line is what sshd reads: a line break would smuggle a second one, or options, in; and what
        # cloud-init takes for a line break is whatever Python does, U+0085 and U+2028 among them
        if (
            not re.fullmatch(r"(ssh-|ecdsa-|sk-)[a-z0-9@.-]+ [A-Za-z0-9+/]+=*( .*)?", key)
            or not key.isprintable()
            or len(key) > 16384
        ):
            yield FieldError(f"{path}.{index}", "must be one OpenSSH public key on one line")
