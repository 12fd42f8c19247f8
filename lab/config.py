# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration of a host's libvirtd: what differs from libvirt's defaults, and why."""

import os
from collections.abc import Mapping

from lab.authority import CA_CERTIFICATE
from lab.errors import LabError
from lab.layout import SOCKET_PATH_LIMIT, HostLayout
from lab.ports import LOOPBACK, Ports
from lab.slot import slot_of

Settings = Mapping[str, str | int | list[str]]

HOSTS_PER_LAB = 10
PORTS_PER_HOST = 20

MIGRATION_ADDRESS = "127.0.0.2"
"""Loopback, too. libvirt refuses 127.0.0.1 here, for guests could not come to that from another machine."""


def write_configuration(host: HostLayout, ports: Ports | None, *, tcp: bool) -> bool:
    """Make the host's folders with libvirt's configuration in them, and answer whether that has changed.

    `ports` and `tcp` are those of `libvirtd_settings`. Raises LabError if the host's paths would be too long.
    """
    if not host.lab.privileged and len(os.fsencode(host.longest_socket)) > SOCKET_PATH_LIMIT:
        raise LabError(f"{host.name}: the paths of its guests' sockets would be too long: {host.longest_socket}")
    for name in ("etc", "lib", "cache", "log"):
        (host.folder / name).mkdir(parents=True, exist_ok=True)
    host.runtime.mkdir(exist_ok=True)
    (host.runtime / "tmp").mkdir(exist_ok=True)
    changed = False
    for name, settings in (
        ("libvirtd.conf", libvirtd_settings(host, ports, tcp=tcp)),
        ("qemu.conf", qemu_settings(host, slot_of(host.lab))),
    ):
        file, text = host.folder / "etc" / name, rendered(settings)
        if not file.exists() or file.read_text() != text:
            file.write_text(text)
            changed = True
    if not host.lab.privileged:
        for folder in host.xdg.values():
            folder.mkdir(parents=True, exist_ok=True)
        link = host.xdg["XDG_CONFIG_HOME"] / "libvirt"
        if not link.is_symlink():
            link.symlink_to(host.folder / "etc")
    return changed


def libvirtd_settings(host: HostLayout, ports: Ports | None = None, *, tcp: bool = False) -> Settings:
    """Settings of libvirtd.conf; with `ports` it is reached over TLS, and with `tcp` by anybody, too."""
    settings: dict[str, str | int | list[str]] = {
        "host_uuid": str(host.uuid),
        # whoever may open the socket is the user whose lab it is: nobody else is to be asked
        "auth_unix_rw": "none",
        "auth_unix_ro": "none",
        "unix_sock_rw_perms": "0600",
        "unix_sock_ro_perms": "0600",
        "unix_sock_admin_perms": "0600",
        "log_level": 3,
        "log_outputs": f"3:file:{host.folder}/log/libvirtd.log",
    }
    if ports:
        folder = host.server_certificate
        settings |= {
            "listen_addr": LOOPBACK,
            "listen_tls": 1,
            "tls_port": str(ports.tls),
            "auth_tls": "none",
            # the default, but everything hangs on it: a client has to show a certificate of the lab's
            "tls_no_verify_certificate": 0,
            "ca_file": str(folder / CA_CERTIFICATE),
            "cert_file": str(folder / "servercert.pem"),
            "key_file": str(folder / "serverkey.pem"),
            "listen_tcp": int(tcp),
            "tcp_port": str(ports.tcp),
            "auth_tcp": "none",
        }
    return settings


def first_port_of(host: HostLayout, slot: int) -> int:
    """Where in each range of ports those of this host begin, of which it has `PORTS_PER_HOST`; `slot` is its lab's."""
    return (slot * HOSTS_PER_LAB + host.index) * PORTS_PER_HOST


def qemu_settings(host: HostLayout, slot: int) -> Settings:
    """Settings of qemu.conf; `slot` is its lab's."""
    first = first_port_of(host, slot)
    last = first + PORTS_PER_HOST - 1
    settings: dict[str, str | int | list[str]] = {
        # virtlogd would be one more daemon to start and to end
        "stdio_handler": "file",
        # a range of each host's own: two that look at the same moment for a port that nobody holds take the same one
        "remote_display_port_min": 5900 + first,
        "remote_display_port_max": 5900 + last,
        "remote_websocket_port_min": 15700 + first,
        "remote_websocket_port_max": 15700 + last,
        "migration_port_min": 49152 + first,
        "migration_port_max": 49152 + last,
    }
    if host.lab.privileged:
        settings |= {
            # /dev/kvm is often root's alone. For another user libvirt finds its knowledge of QEMU outdated each time,
            # which costs 4 s a guest; and that user may not reach the lab's folder
            "user": "root",
            "group": "root",
            "swtpm_user": "root",
            "swtpm_group": "root",
            # the machine's cgroups, security profiles and device nodes are not the lab's
            "cgroup_controllers": [],
            "security_driver": "none",
            "namespaces": [],
            # where a guest that comes is awaited, instead of on every address of the machine
            "migration_address": MIGRATION_ADDRESS,
            "migration_host": MIGRATION_ADDRESS,
        }
    return settings


def rendered(settings: Settings) -> str:
    """Answer the settings in the syntax of libvirt's configuration files."""
    return "".join(f"{name} = {_value(value)}\n" for name, value in settings.items())


def _value(value: str | int | list[str]) -> str:
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return f'"{value}"'
    return f"[{', '.join(_value(item) for item in value)}]"
