# SPDX-License-Identifier: GPL-3.0-or-later
"""What a domain needs of its host, from its XML."""

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.needs import Needs, read_needs

XML = """<domain type='kvm'>
<os><type arch='x86_64' machine='q35'>hvm</type><loader type='pflash'>/usr/share/code.fd</loader>
<kernel>/boot/k</kernel><initrd>/boot/i</initrd></os>
<cpu match='exact'><model>Skylake</model></cpu>
<devices><emulator>/usr/bin/qemu</emulator>
<disk type='volume' device='disk'><source pool='fast' volume='a'/><target dev='vda'/></disk>
<disk type='file' device='disk'><source file='/x'/><target dev='vdb'/></disk>
<interface type='network'><mac address='52:54:00:AA:00:01'/><source network='lan'/>
<filterref filter='clean'/></interface>
<interface type='network'><mac address='52:54:00:aa:00:02'/><source network='lan'/></interface>
<interface type='bridge'><source bridge='br0'/></interface>
<interface type='direct'><source dev='eth0' mode='bridge'/></interface>
<interface type='user'/>
<tpm model='tpm-crb'/></devices></domain>"""


def test_everything_is_named_once_in_its_order() -> None:
    needs = read_needs(XML)

    assert (needs.emulator, needs.loader, needs.cpu_mode) == ("/usr/bin/qemu", "/usr/share/code.fd", "custom")
    assert needs.cpu is not None
    assert "<model>Skylake</model>" in needs.cpu
    assert (needs.networks, needs.interfaces, needs.filters) == (("lan",), ("br0", "eth0"), ("clean",))
    assert needs.mac_addresses == ("52:54:00:aa:00:01", "52:54:00:aa:00:02")
    assert (needs.files, needs.pools, needs.tpm, needs.host_devices) == (("/boot/k", "/boot/i"), ("fast",), True, ())


def test_a_domain_of_little_needs_little() -> None:
    assert read_needs("<domain type='test'><devices/></domain>") == Needs()


@pytest.mark.parametrize(
    ("device", "says"),
    [
        ("<hostdev mode='subsystem' type='pci'/>", "device of its host (pci)"),
        ("<interface type='hostdev'/>", "network card of its host (hostdev)"),
        ("<filesystem type='mount'/>", "folder of its host (mount)"),
        ("<shmem name='x'/>", "memory of its host"),
    ],
)
def test_what_is_the_hosts_own_is_said_in_words(device: str, says: str) -> None:
    assert read_needs(f"<domain><devices>{device}</devices></domain>").host_devices == (says,)
