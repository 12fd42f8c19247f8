# SPDX-License-Identifier: GPL-3.0-or-later
"""A libvirt URI can run programs: only the checked forms are let in."""

from __future__ import annotations

import pytest

from hostler.errors import InvalidRequest
from hostler.hosts.uri import checked_uri


@pytest.mark.parametrize(
    "uri",
    [
        "qemu:///system",
        "qemu+ssh://host1.example.com/system",
        "qemu+ssh://root@host1/system",
        "qemu+ssh://root@192.0.2.7:2222/system",
        "qemu+tls://host1.example.com/system",
        "qemu+tls://host1.example.com:16514/system",
        "qemu+ssh://root@[2001:db8::1]/system",
    ],
)
def test_the_plain_forms_are_let_in_as_they_stand(uri: str) -> None:
    assert checked_uri(uri) == uri


@pytest.mark.parametrize(
    "uri",
    [
        "qemu+ext:///system?command=/tmp/evil",
        "qemu+ssh://host1/system?command=/tmp/evil",
        "qemu+ssh://host1/system?netcat=/tmp/evil",
        "qemu+ssh://host1/system?keyfile=/root/.ssh/id_rsa",
        "qemu+libssh2://host1/system",
        "qemu+unix:///system?socket=/tmp/evil.sock",
        "qemu:///system?socket=/tmp/evil.sock",
        "qemu:///system#?command=x",
        "qemu:///session",
        "qemu://host1/system",
        "qemu+tcp://host1/system",
        "qemu+tls://user@host1/system",
        "qemu+ssh://root:secret@host1/system",
        "qemu+ssh://root@host1:0/system",
        "qemu+ssh://root@host1:65536/system",
        "qemu+ssh://root@host1:x/system",
        "qemu+ssh:///system",
        "qemu+ssh://-oProxyCommand=evil/system",
        "qemu+ssh://-oProxyCommand=evil@host1/system",
        "qemu+ssh://root@host1 /system",
        "qemu+ssh://root@host1\n/system",
        "qemu+ssh://root@host1%0a/system",
        "qemu+ssh://root@host1/system/../x",
        "qemu+ssh://root@host1/system;command=x",
        "qemu+ssh://root@host1$(evil)/system",
        "qemu+ssh://root@host1`evil`/system",
        "qemu+ssh://root@höst/system",
        "qemu+ssh://root@[::1%25lo]/system",
        "qemu+ssh://root@[::1/system",
        "qemu\\+ssh://host1/system",
        "QEMU+EXT:///system",
        "test:///default",
        "xen:///system",
        "lxc:///system",
        "esx://host1/?no_verify=1",
        "file:///etc/passwd",
        "",
        " qemu:///system",
        "qemu:///system\x00",
    ],
)
def test_anything_else_is_refused_naming_the_field(uri: str) -> None:
    with pytest.raises(InvalidRequest, match="libvirt_uri must be qemu:///system") as refused:
        checked_uri(uri)

    assert [problem.field for problem in refused.value.errors] == ["libvirt_uri"]


def test_the_operators_own_uris_are_let_in_to_the_letter() -> None:
    mine = "qemu:///system?socket=/run/lab/libvirt-sock"

    assert checked_uri(mine, trusted=(mine,)) == mine
    with pytest.raises(InvalidRequest):
        checked_uri(mine + "&command=x", trusted=(mine,))
