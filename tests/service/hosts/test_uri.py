# SPDX-License-Identifier: GPL-3.0-or-later
"""A libvirt URI is code: what may come in over REST, and what may not."""

from __future__ import annotations

import pytest

from hostler.errors import InvalidRequest
from hostler.hosts.uri import checked_uri

GOOD = [
    "qemu:///system",
    "qemu+ssh://host1.example.com/system",
    "qemu+ssh://root@host1.example.com/system",
    "qemu+ssh://_libvirt-admin@host1/system",
    "qemu+ssh://root@host1:2222/system",
    "qemu+ssh://192.0.2.7/system",
    "qemu+ssh://root@[2001:db8::7]:22/system",
    "qemu+tls://host1.example.com/system",
    "qemu+tls://host1:65535/system",
    "qemu+tls://[::1]/system",
]

HOSTILE = [
    "",
    " ",
    "qemu",
    "/system",
    "//host/system",
    # what runs a program, or reads a file, as the service's user
    "qemu+ext:///system?command=/tmp/evil",
    "qemu+ext://host/system",
    "qemu+ssh://host/system?command=/tmp/evil",
    "qemu+ssh://host/system?netcat=/tmp/evil",
    "qemu+ssh://host/system?keyfile=/etc/shadow",
    "qemu+ssh://host/system?no_verify=1",
    "qemu+ssh://host/system?",
    "qemu+tls://host/system?pkipath=/tmp",
    "qemu+tls://host/system?no_verify=1",
    "qemu:///system?socket=/tmp/evil",
    "qemu:///system?socket=/run/libvirt/libvirt-sock",
    "qemu+unix:///system",
    "qemu+unix:///system?socket=/tmp/evil",
    "qemu+tcp://host/system",
    "qemu+libssh://host/system",
    "qemu+libssh2://host/system?known_hosts_verify=ignore",
    # what an option of ssh could be made of
    "qemu+ssh://-oProxyCommand=touch/system",
    "qemu+ssh://-oProxyCommand=touch@host/system",
    "qemu+ssh://-l@host/system",
    "qemu+ssh://host-/system",
    "qemu+ssh://$(id)/system",
    "qemu+ssh://`id`/system",
    "qemu+ssh://host;id/system",
    "qemu+ssh://host|id/system",
    "qemu+ssh://a b/system",
    "qemu+ssh://a'b/system",
    'qemu+ssh://a"b/system',
    "qemu+ssh://{{ evil }}/system",
    # encodings, and characters that look like others or like nothing
    "qemu+ssh://host%2f..%2f/system",
    "qemu:///system%3fsocket=/tmp/evil",
    "qemu+ssh://ho%00st/system",
    "qemu:///syst\x00em",
    "qemu:///system\n",
    "\nqemu:///system",
    "qemu:///sys\ttem",
    "qemu:///system\r\nqemu+ext:///system",
    "qemu+ssh://host\x7f/system",
    "qemu+ssh://hоst/system",  # noqa: RUF001 - a Cyrillic letter is the point
    "qemu+ssh://host／evil/system",  # noqa: RUF001 - a wide slash is the point
    "qemu+ssh://host\u200b/system",
    "qemu+ssh://host\u202e/system",
    "ｑemu:///system",  # noqa: RUF001 - a wide letter is the point
    "qemu:///system ",
    " qemu:///system",
    # credentials, ports, hosts
    "qemu+ssh://root:password@host/system",
    "qemu+ssh://root:@host/system",
    "qemu+ssh://@host/system",
    "qemu+ssh://root@@host/system",
    "qemu+ssh://Root@host/system",
    "qemu+tls://root@host/system",
    "qemu+ssh:///system",
    "qemu+tls:///system",
    "qemu+ssh://root@/system",
    "qemu+ssh://host:0/system",
    "qemu+ssh://host:65536/system",
    "qemu+ssh://host:-22/system",
    "qemu+ssh://host:ssh/system",
    "qemu+ssh://host:22:22/system",
    "qemu+ssh://host:２２/system",  # noqa: RUF001 - wide digits are the point
    "qemu+ssh://.host/system",
    "qemu+ssh://host./system",
    "qemu+ssh://" + "a" * 255 + "/system",
    "qemu+ssh://[::1/system",
    "qemu+ssh://::1/system",
    "qemu+ssh://[::1]]/system",
    "qemu+ssh://[fe80::1%25eth0]/system",
    "qemu+ssh://[host]/system",
    "qemu+ssh://[v1.evil]/system",
    "qemu://host/system",
    "qemu://root@/system",
    # other paths and other drivers
    "qemu:///session",
    "qemu+ssh://host/session",
    "qemu+ssh://host/system/",
    "qemu+ssh://host//system",
    "qemu+ssh://host/system;x",
    "qemu+ssh://host/system#x",
    "qemu+ssh://host/../system",
    "qemu+ssh://host/embed?root=/tmp",
    "qemu:///embed",
    "qemu+ssh://host",
    "qemu:\\\\system",
    "qemu+ssh:\\\\host\\system",
    "qemu+ssh://host\\@evil/system",
    "test:///default",
    "test:///tmp/evil.xml",
    "xen:///system",
    "lxc:///system",
    "bhyve:///system",
    "vbox:///session",
    "esx://host/?no_verify=1",
    "ch:///system",
    "file:///etc/passwd",
    "http://host/system",
]


@pytest.mark.parametrize("uri", GOOD)
@pytest.mark.rule("uri-is-code")
def test_the_three_forms_are_let_in(uri: str) -> None:
    assert checked_uri(uri) == uri


@pytest.mark.parametrize("uri", HOSTILE)
@pytest.mark.rule("uri-is-code")
def test_everything_else_is_refused_by_field(uri: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        checked_uri(uri)

    assert [problem.field for problem in refused.value.errors] == ["libvirt_uri"]


@pytest.mark.rule("uri-is-code")
def test_what_the_operator_trusts_is_let_in_as_it_stands_and_nothing_like_it() -> None:
    trusted = ("qemu:///system?socket=/run/lab/libvirt-sock",)

    assert checked_uri(trusted[0], trusted) == trusted[0]
    with pytest.raises(InvalidRequest):
        checked_uri(trusted[0] + "2", trusted)
