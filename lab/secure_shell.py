# SPDX-License-Identifier: GPL-3.0-or-later
"""SSH into the hosts of a lab: keys of the lab's own, an sshd for each host, and an ``ssh`` that knows them all.

Nobody's ``~/.ssh`` is read or written. ``DIR/bin/ssh`` is OpenSSH's own with the lab's configuration: it knows the
hosts by name, logs in with the lab's key, and refuses a host that shows another key than the lab gave it.
"""

import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from lab.errors import LabError
from lab.layout import HostLayout, LabLayout
from lab.ports import LOOPBACK
from lab.private_files import write_private

USER = "root"

_SYSTEM_FOLDERS = "/usr/local/bin:/usr/bin:/bin"
"""Where OpenSSH's own ssh is: a PATH may begin with a lab's ``bin``."""


def make_key(file: Path) -> None:
    """Write a new key, and its public half beside it as ``.pub``; one that is there stays."""
    if file.exists():
        return
    key = Ed25519PrivateKey.generate()
    write_private(public_half(file), key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH) + b"\n")
    # last: where it stands, the other half does too
    write_private(file, key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))


def public_half(file: Path) -> Path:
    """Answer where a key's public half stands."""
    return file.with_name(f"{file.name}.pub")


def server_configuration(host: HostLayout, port: int) -> str:
    """Answer the sshd_config of a host: root with the lab's key, from this machine, and nobody else."""
    settings = {
        "ListenAddress": f"{LOOPBACK}:{port}",
        "HostKey": str(host.ssh_host_key),
        "PidFile": "none",
        "AllowUsers": USER,
        "PermitRootLogin": "prohibit-password",
        "AuthenticationMethods": "publickey",
        "AuthorizedKeysFile": str(public_half(host.lab.ssh_key)),
        "PermitUserRC": "no",
        "UsePAM": "no",
        "UseDNS": "no",
        # SFTP is how Ansible puts files on a host, where its pipelining is off
        "Subsystem": "sftp internal-sftp",
        # by this the lab finds its processes
        "SetEnv": f"TMPDIR={host.marker}",
    }
    return "".join(f"{name} {value}\n" for name, value in settings.items())


def write_client(lab: LabLayout, ports: Mapping[HostLayout, int]) -> None:
    """Write the lab's ``ssh`` and what it knows of the hosts, by their ports. Raises LabError without an ssh."""
    known = []
    configuration = []
    for host, port in ports.items():
        key = public_half(host.ssh_host_key).read_text().strip()
        known.append(f"{host.hostname},[{LOOPBACK}]:{port} {key}\n")
        configuration.append(
            f"Host {host.name} {host.hostname}\n  HostName {LOOPBACK}\n  Port {port}\n  HostKeyAlias {host.hostname}\n"
        )
    configuration.append(
        f"Host *\n  User {USER}\n  IdentityFile {lab.ssh_key}\n  IdentitiesOnly yes\n"
        f"  UserKnownHostsFile {lab.ssh_known_hosts}\n  GlobalKnownHostsFile none\n"
        "  StrictHostKeyChecking yes\n  UpdateHostKeys no\n  BatchMode yes\n"
    )
    write_private(lab.ssh_known_hosts, "".join(known).encode())
    write_private(lab.ssh_configuration, "".join(configuration).encode())
    if (ssh := shutil.which("ssh", path=_SYSTEM_FOLDERS)) is None:
        raise LabError("the program ssh is missing: install the packages of apt-packages.txt (make setup)")
    lab.ssh.parent.mkdir(exist_ok=True)
    unfinished = lab.ssh.with_suffix(".part")
    unfinished.write_text(f'#!/bin/sh\nexec {ssh} -F {shlex.quote(str(lab.ssh_configuration))} "$@"\n')
    unfinished.chmod(0o755)
    unfinished.replace(lab.ssh)
