# SPDX-License-Identifier: GPL-3.0-or-later
"""The Debian packages that the Debian guest image is installed from."""

import re
import tempfile
from pathlib import Path

from lab.commands import run
from lab.errors import LabError
from lab.image.packages import FRESH_LISTS, KERNEL, Package, offers

WANTED = (
    "apt", "cloud-guest-utils", "cloud-init", "dbus", "e2fsprogs", "fdisk", "iproute2", "iputils-ping", "kmod",
    "netbase", "openssh-server", "qemu-guest-agent", "sudo", "systemd-resolved", "systemd-sysv", "udev",
)  # fmt: skip
"""Besides what every Debian has (Essential)."""


def ask_apt() -> list[Package]:
    """Answer what apt would install on a machine with nothing on it, and the kernel. Raises LabError."""
    with tempfile.TemporaryDirectory() as folder:
        nothing = Path(folder) / "status"
        nothing.touch()
        try:
            plan = run(
                "apt-get", "install", "--simulate", "--no-install-recommends",
                "-o", f"Dir::State::status={nothing}", "-o", "Debug::NoLocking=1", "?essential", *WANTED,
            )  # fmt: skip
            kernel = run("apt-cache", "depends", KERNEL)
            names = sorted([*installed(plan), kernel_of(kernel)])
            uris = run("apt-get", "download", "--print-uris", *names)
        except LabError as error:
            raise LabError(
                f"apt does not offer what the Debian guest image needs; {FRESH_LISTS}. It said: {error}"
            ) from None
    return offers(uris, names)


def installed(plan: str) -> list[str]:
    """Read what ``apt-get install --simulate`` prints: the packages that it would install."""
    return re.findall(r"^Inst (\S+) ", plan, re.MULTILINE)


def kernel_of(depends: str) -> str:
    """Read the output of ``apt-cache depends`` on the kernel's metapackage: the package of the kernel itself."""
    if match := re.search(r"^ +Depends: (linux-image-\S+)$", depends, re.MULTILINE):
        return match[1]
    raise LabError(f"{KERNEL} names no kernel")
