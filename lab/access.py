# SPDX-License-Identifier: GPL-3.0-or-later
"""The ways into a host of root's besides its socket: libvirtd over TLS, and over TCP if asked for, and sshd."""

from urllib.parse import quote

from lab.authority import Authority
from lab.config import first_port_of
from lab.errors import LabError
from lab.layout import HostLayout
from lab.ports import LOOPBACK, Ports, choose_ports, port_is_free
from lab.secure_shell import make_key, server_configuration
from lab.slot import slot_of


class HostAccess:
    """How one host is reached from elsewhere, as if its machine were another one."""

    def __init__(self, layout: HostLayout):
        self._layout = layout

    @property
    def ports(self) -> Ports:
        """The ports that the host has. Raises LabError while it has none."""
        if ports := Ports.read(self._layout.ports):
            return ports
        raise LabError(f"{self._layout.name} has no ports yet; start anew: lab down, lab up")

    def uris(self, *, tcp: bool) -> dict[str, str]:
        """Answer the host's libvirt URIs by transport: ``tls``, ``ssh`` and, with `tcp`, ``tcp``."""
        ports, lab = self.ports, self._layout.lab
        uris = {
            "tls": f"qemu+tls://{LOOPBACK}:{ports.tls}/system?pkipath={lab.client_certificate}",
            # whose PATH begins with the folder of the lab's ssh needs no query
            "ssh": f"qemu+ssh://root@{self._layout.hostname}/system?command={quote(str(lab.ssh))}",
        }
        return uris | ({"tcp": f"qemu+tcp://{LOOPBACK}:{ports.tcp}/system"} if tcp else {})

    def prepare(self) -> Ports:
        """Make keys and certificates and choose ports, where there are none yet or they can't be used any more.

        To be called while the host is down, and with the choice of addresses held until it is up. Raises LabError.
        """
        host = self._layout
        ports = Ports.read(host.ports)
        if ports is None or not ports.free:
            ports = choose_ports(first_port_of(host, slot_of(host.lab)))
            ports.write(host.ports)
        authority = Authority(host.lab.keys)
        authority.issue_server(host.server_certificate, host.hostname, LOOPBACK)
        if not (host.lab.client_certificate / "clientcert.pem").exists():
            authority.issue_client(host.lab.client_certificate, "lab")
        make_key(host.lab.ssh_key)
        make_key(host.ssh_host_key)
        (host.folder / "etc/sshd_config").write_text(server_configuration(host, ports.ssh))
        return ports

    def sshd_listens(self) -> bool:
        """Answer whether somebody listens on the host's port of SSH."""
        return not port_is_free(self.ports.ssh)
