# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a domain's XML is shown to nobody."""

from __future__ import annotations

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.secrets import without_secrets

SECRET = "hunter2"
QEMU = "http://libvirt.org/schemas/domain/qemu/1.0"


@pytest.mark.parametrize(
    "part",
    [
        f"<devices><graphics type='vnc' port='5900' passwd='{SECRET}'><listen type='address'/></graphics></devices>",
        f"<devices><graphics type='spice' passwd='{SECRET}'/></devices>",
        f"<qemu:commandline><qemu:arg value='-x'/><qemu:arg value='socket,password={SECRET}'/></qemu:commandline>",
        f"<qemu:commandline><qemu:env name='TOKEN' value='{SECRET}'/></qemu:commandline>",
        f"<q:commandline xmlns:q='{QEMU}'><q:arg value='{SECRET}'/></q:commandline>",
        f"<commandline xmlns='{QEMU}'><arg value='{SECRET}'/></commandline>",
        f"<qemu:override><qemu:device><qemu:property name='x' value='{SECRET}'/></qemu:device></qemu:override>",
        f"<os><type>hvm</type><cmdline>console=ttyS0 ks.password={SECRET}</cmdline></os>",
        f"<os><initarg>{SECRET}</initarg><initenv name='A'>{SECRET}</initenv></os>",
        f"<sysinfo type='smbios'><oemStrings><entry>io.systemd.credential:p={SECRET}</entry></oemStrings></sysinfo>",
        f"<sysinfo type='fwcfg'><entry name='opt/x'>{SECRET}</entry></sysinfo>",
        f"<devices><disk><source><cookies><cookie name='s'>{SECRET}</cookie></cookies></source></disk></devices>",
        f"<devices><disk><source protocol='https' name='a' query='token={SECRET}'/></disk></devices>",
        f"<launchSecurity type='sev'><session>{SECRET}</session></launchSecurity>",
    ],
)
def test_a_value_that_may_be_a_secret_is_not_shown(part: str) -> None:
    xml = f"<domain type='kvm' xmlns:qemu='{QEMU}'><name>a</name>{part}</domain>"

    shown = without_secrets(xml)

    assert SECRET not in shown
    assert "(not shown)" in shown
    assert "<name>a</name>" in shown


def test_all_else_stays_as_it_is_written() -> None:
    xml = (
        '<domain type="kvm" id="3"><!-- any --><name>a &amp; b</name><os><type arch="x86_64">hvm</type><cmdline />'
        '</os><sysinfo type="smbios"><entry /></sysinfo><metadata><other:x xmlns:other="urn:o" value="1">text</other:x>'
        '</metadata><devices><graphics type="vnc" port="-1" autoport="yes" /></devices></domain>'
    )

    assert without_secrets(xml) == xml
