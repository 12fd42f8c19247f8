# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks as the tests of networks want them: as XML, and on the lab's host."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.ensure_network import ensure_network
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from lab.host import Host
from lab.subnets import further_subnet, taken_subnets

# as libvirt writes it, with what no option is for: tftp, dnsmasq's own options, somebody's metadata
NAT = """<network xmlns:dnsmasq='http://libvirt.org/schemas/network/dnsmasq/1.0'>
  <name>internal</name>
  <uuid>7da35a2f-2de2-4e85-b528-4bf6b220953d</uuid>
  <metadata>
    <site:note xmlns:site='urn:site'>kept</site:note>
  </metadata>
  <forward mode='nat'>
    <nat>
      <port start='1024' end='65535'/>
    </nat>
  </forward>
  <bridge name='br-int' stp='on' delay='0'/>
  <mac address='52:54:00:43:15:30'/>
  <domain name='internal.test'/>
  <dns>
    <txt name='example' value='text'/>
    <host ip='10.99.1.5'>
      <hostname>x.internal.test</hostname>
    </host>
  </dns>
  <ip address='10.99.1.1' netmask='255.255.255.0'>
    <tftp root='/srv/tftp'/>
    <dhcp>
      <range start='10.99.1.10' end='10.99.1.20'/>
      <host mac='52:54:00:00:00:01' name='a' ip='10.99.1.30'/>
      <bootp file='pxelinux.0'/>
    </dhcp>
  </ip>
  <ip family='ipv6' address='fd00:99::1' prefix='64'/>
  <portgroup name='web' default='yes'/>
  <dnsmasq:options>
    <dnsmasq:option value='no-ping'/>
  </dnsmasq:options>
</network>"""

MACVTAP = """<network>
  <name>direct</name>
  <uuid>7da35a2f-2de2-4e85-b528-4bf6b220953e</uuid>
  <forward dev='eth0' mode='bridge'>
    <interface dev='eth0' connections='1'/>
  </forward>
</network>"""


@dataclass(frozen=True)
class Further:
    """A name, a bridge and a /24 (``10.214.7``) that are free for a test's own network."""

    name: str
    bridge: str
    prefix: str

    def nat(self, **more: Any) -> dict[str, Any]:
        """What is wanted of a NAT network with DHCP there."""
        wanted = {
            "name": self.name,
            "bridge": self.bridge,
            "forward": {"mode": "nat"},
            "domain": "further.test",
            "addresses": [f"{self.prefix}.1/24"],
            "dhcp_ranges": [{"start": f"{self.prefix}.100", "end": f"{self.prefix}.199"}],
        }
        return {**wanted, **more}


@contextmanager
def further_network(host: Host) -> Iterator[Further]:
    """What a test's own network may have; that network is gone afterwards."""
    subnet = further_subnet(host.layout.lab.id, taken_subnets())
    further = Further("further", f"{host.layout.further_bridge}x", str(subnet[0]).removesuffix(".0"))
    try:
        yield further
    finally:
        with Hypervisor.open(host.uri) as hypervisor:
            ensure_network(hypervisor, {"name": further.name, "state": "absent", "force": True})


@contextmanager
def network_starts_held(host: Host) -> Iterator[None]:
    """Have libvirt wait for a hook of the site's when it starts a network; meanwhile it tells of no network."""
    hooks = host.layout.folder / "etc/hooks"
    hooks.mkdir()
    hold = hooks / "hold"
    hold.touch()
    hook = hooks / "network"
    hook.write_text('#!/bin/sh\nwhile [ -e "${0%/*}/hold" ]; do sleep 0.1; done\n')
    hook.chmod(0o700)
    host.restart_libvirtd()  # hooks are looked for at its start
    try:
        yield
    finally:
        hold.unlink()  # and the network starts
        hook.unlink()
        hooks.rmdir()
