# SPDX-License-Identifier: GPL-3.0-or-later
"""What is told of a host that can't be reached: who trusts whom, and nothing of addresses and files."""

from __future__ import annotations

import pytest

from hostler.hosts.refusal import refusal_in


@pytest.mark.parametrize(
    ("message", "says"),
    [
        ("Failed to connect to the host: Host key verification failed.", "shows another SSH host key"),
        ("Failed to connect to the host: root@h: Permission denied (publickey).", "does not take the SSH key"),
        ("Failed to connect to the host: authentication failed: … verify certificate", "is not trusted"),
        ("Credential 'rack' can't be used: …", "the key that seals the service's secrets"),
    ],
)
def test_a_matter_of_trust_is_said_in_words(message: str, says: str) -> None:
    assert says in str(refusal_in(message))


def test_anything_else_is_for_the_log() -> None:
    assert refusal_in("Failed to connect socket to '/run/libvirt/libvirt-sock': No such file or directory") is None
    assert refusal_in("Cannot read CA certificate '/etc/pki/CA/cacert.pem': No such file or directory") is None
