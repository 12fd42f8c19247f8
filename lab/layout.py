# SPDX-License-Identifier: GPL-3.0-or-later
"""Names and places of a lab and its hosts. Everything follows from the lab's folder, the user and the host's index.

===========================  ==========================================================================
``DIR/lab.json``             says that DIR is a lab's, and how many hosts it has
``DIR/hosts/host1/``         what a host keeps: configuration, state, logs, and its pools' folders
``DIR/shared/``              root: the pool ``shared`` of all hosts
``DIR/bin/ssh``              root: an ssh that knows the hosts
``RUNTIME/``                 root: ``/run/hostler-ID``; a user: ``/tmp/hostler-ID``; not kept over a reboot
``RUNTIME/keys/``            root: certificates, and keys of SSH
``RUNTIME/1/``               a host's sockets
===========================  ==========================================================================
"""

import hashlib
import uuid
from dataclasses import dataclass
from pathlib import Path

SOCKET_PATH_LIMIT = 107
"""Bytes of a unix socket's path (sun_path is 108 with its closing zero; unix(7))."""

LOCAL_POOL = Path("/var/lib/libvirt/images")
"""The pool ``local``, as a host of root's sees it; for all else it is ``DIR/hosts/hostN/lib/images``."""


@dataclass(frozen=True)
class LabLayout:
    """A lab's places; `folder` is absolute, with no links in it."""

    folder: Path
    uid: int

    @property
    def privileged(self) -> bool:
        """Whether root runs the lab, and its hosts are system hypervisors in namespaces of their own."""
        return self.uid == 0

    @property
    def id(self) -> str:
        """Six hex digits that tell this lab from the others of the machine. So few because paths have a limit."""
        return hashlib.sha256(f"{self.uid}:{self.folder}".encode()).hexdigest()[:6]

    @property
    def record(self) -> Path:
        """The file that says what the lab has."""
        return self.folder / "lab.json"

    @property
    def runtime(self) -> Path:
        """The short folder of sockets. For a user it isn't ``$XDG_RUNTIME_DIR``: that leaves too few bytes."""
        return Path("/run" if self.privileged else "/tmp") / f"hostler-{self.id}"  # noqa: S108 - checked when made

    @property
    def shared(self) -> Path:
        """What a shared file system would be to real hosts: a folder at the same path, with the same in it, for all."""
        return self.folder / "shared"

    @property
    def keys(self) -> Path:
        """Everything that lets somebody into a host: in memory, the user's alone, made anew after a reboot."""
        return self.runtime / "keys"

    @property
    def client_certificate(self) -> Path:
        """The folder that a TLS URI names as ``pkipath``."""
        return self.keys / "client"

    @property
    def ssh_key(self) -> Path:
        """The key that all hosts let in."""
        return self.keys / "id_ed25519"

    @property
    def ssh_known_hosts(self) -> Path:
        """The keys by which the hosts show that they are the lab's."""
        return self.keys / "known_hosts"

    @property
    def ssh_configuration(self) -> Path:
        """The configuration of `ssh`."""
        return self.keys / "ssh_config"

    @property
    def ssh(self) -> Path:
        """A program like ssh that knows the hosts; not in the runtime folder, where programs often may not run."""
        return self.folder / "bin/ssh"

    def host(self, index: int) -> "HostLayout":
        """Answer the places of one host; indexes begin at 1."""
        return HostLayout(self, index)


@dataclass(frozen=True)
class HostLayout:
    """A host's names and places."""

    lab: LabLayout
    index: int

    @property
    def name(self) -> str:
        """What people call the host."""
        return f"host{self.index}"

    @property
    def hostname(self) -> str:
        """What the host calls itself. With a dot in it libvirt asks no name server for the rest of it."""
        return f"{self.name}.lab.test" if self.lab.privileged else ""

    @property
    def uuid(self) -> uuid.UUID:
        """The host's UUID, which libvirt would else read from the machine's firmware, the same for all hosts."""
        return uuid.uuid5(uuid.NAMESPACE_URL, f"urn:hostler:lab:{self.lab.uid}:{self.lab.folder}:{self.name}")

    @property
    def folder(self) -> Path:
        """What the host keeps."""
        return self.lab.folder / "hosts" / self.name

    @property
    def runtime(self) -> Path:
        """The host's sockets and process ids."""
        return self.lab.runtime / str(self.index)

    @property
    def socket(self) -> Path:
        """Where its libvirtd listens."""
        return self.runtime / ("libvirt-sock" if self.lab.privileged else "run/libvirt/libvirt-sock")

    @property
    def uri(self) -> str:
        """The libvirt URI of the host."""
        return f"qemu:///{'system' if self.lab.privileged else 'session'}?socket={self.socket}"

    @property
    def ports(self) -> Path:
        """The file that says on which TCP ports the host is reached."""
        return self.folder / "ports.json"

    @property
    def server_certificate(self) -> Path:
        """The folder of what its libvirtd shows to clients with TLS."""
        return self.lab.keys / self.name

    @property
    def ssh_host_key(self) -> Path:
        """The key by which its sshd shows that it is this host."""
        return self.lab.keys / self.name / "ssh_host_ed25519"

    @property
    def bridge(self) -> str:
        """The bridge of the host's NAT network: at most 15 characters, and nobody else's name."""
        return f"hl-{self.lab.id}-{self.index}"

    @property
    def further_bridge(self) -> str:
        """What the bridges of further networks begin with, and up to three characters more end with.

        So they are taken away with the host, whoever made them.
        """
        return f"{self.bridge}-"

    @property
    def marker(self) -> str:
        """The TMPDIR of all the host's processes, by which they are found. libvirt hands TMPDIR on to its guests."""
        return str(self.runtime / "tmp")

    @property
    def pools(self) -> dict[str, Path]:
        """The storage pools: name → folder.

        ``default`` is for the guests' disks, ``images`` for base images. Root's hosts have two more, for migration:
        ``shared`` is the same folder for all, as a network's file system is; ``local`` is a folder of each host's own
        that has the same path on all, as disks in the machine itself have.
        """
        pools = {"default": self.folder / "disks", "images": self.folder / "images"}
        if self.lab.privileged:
            pools |= {"shared": self.lab.shared, "local": LOCAL_POOL}
        return pools

    @property
    def pools_outside(self) -> dict[str, Path]:
        """The storage pools' folders as all else sees them, who does not see what a host of root's has mounted."""
        return self.pools | ({"local": self.folder / "lib/images"} if self.lab.privileged else {})

    @property
    def longest_socket(self) -> Path:
        """The longest path that libvirt will use for a socket: the agent's of a guest with a long name."""
        # libvirt shortens a guest's name to 20 characters here (virDomainDefGetShortName)
        folders = "libvirt/qemu/channel/target/domain-99-twenty-characters-xx"
        return self.xdg["XDG_CONFIG_HOME"] / folders / "org.qemu.guest_agent.0"

    @property
    def xdg(self) -> dict[str, Path]:
        """The folders that an unprivileged libvirtd takes for its user's."""
        return {
            "XDG_RUNTIME_DIR": self.runtime / "run",
            "XDG_CONFIG_HOME": self.runtime / "c",
            "XDG_CACHE_HOME": self.folder / "cache",
            "XDG_DATA_HOME": self.folder / "lib",
            "XDG_STATE_HOME": self.folder / "lib",
        }
