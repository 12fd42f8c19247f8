# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask a libvirtd with virsh: a process that can be abandoned when a hung libvirtd does not answer."""

from pathlib import Path

from lab.commands import run
from lab.errors import LabError


def virsh(uri: str, *arguments: str | Path, timeout: float = 60) -> str:
    """Run a virsh command and answer what it printed, without space around it. Raises LabError."""
    return run("virsh", "--quiet", "--connect", uri, *arguments, timeout=timeout).strip()


def exists(uri: str, kind: str, name: str) -> bool:
    """Answer whether there is a ``net`` or ``pool`` (`kind`) of that name."""
    return name in virsh(uri, f"{kind}-list", "--all", "--name").split()


def active(uri: str, kind: str, name: str) -> bool:
    """Answer whether the ``net`` or ``pool`` (`kind`) of that name is active."""
    return name in virsh(uri, f"{kind}-list", "--name").split()


def answers(uri: str, timeout: float = 5) -> bool:
    """Answer whether a libvirtd answers there within `timeout` seconds."""
    try:
        virsh(uri, "uri", timeout=timeout)
    except LabError:
        return False
    return True
