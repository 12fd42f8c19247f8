# SPDX-License-Identifier: GPL-3.0-or-later
"""Find out what really runs guests on this machine.

/dev/kvm, and libvirt's word for it, prove nothing: on nested virtual machines guests under KVM may start and then hang.
Some firmware gets through even there, so the probe boots a real kernel, the tiny image's.
"""

import json
import logging
import os
import selectors
import subprocess
import time
from pathlib import Path

from lab.cache import cache_folder, locked
from lab.commands import program, run
from lab.errors import LabError
from lab.image.build import Image

log = logging.getLogger("lab")

SETTING = "HOSTLER_LAB_VIRT_TYPE"
EMULATOR = "qemu-system-x86_64"
PROBE_SECONDS = 8
"""An emulated guest needs about 3 s to its first line; what is no faster than that need not be waited for."""

_DEVICE = Path("/dev/kvm")
_FIRST_LINE = b"guest: stage=initramfs"


def virt_type(image: Image) -> str:
    """Answer the domain type for guests: ``kvm`` if it runs the image's kernel, else ``qemu``, which is slower.

    The environment variable HOSTLER_LAB_VIRT_TYPE overrides the probe, whose answer is kept until the machine boots
    again or gets another QEMU. Raises LabError if the variable has another value.
    """
    if setting := os.environ.get(SETTING):
        if setting not in {"kvm", "qemu"}:
            raise LabError(f"{SETTING} is {setting!r}: it must be kvm or qemu")
        return setting
    if not os.access(_DEVICE, os.R_OK | os.W_OK):
        return "qemu"
    cache = cache_folder()
    # the lock is on a folder of the probe's own: an image may be built meanwhile
    probes = cache / "accelerator"
    probes.mkdir(exist_ok=True)
    with locked(probes):
        return remembered_virt_type(probes / "answer.json", image)


def remembered_virt_type(answer: Path, image: Image) -> str:
    """Answer what the file `answer` says, if it is about this boot and this QEMU; else probe, and write it."""
    question = {"boot": Path("/proc/sys/kernel/random/boot_id").read_text().strip(), "qemu": run(EMULATOR, "--version")}
    try:
        known = json.loads(answer.read_text())
        if known["question"] == question and known["virt_type"] in {"kvm", "qemu"}:
            return str(known["virt_type"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # nothing remembered, or by another version of this file
    log.info("trying whether KVM runs guests here (%d s at most)", PROBE_SECONDS)
    found = "kvm" if _kvm_boots(image) else "qemu"
    answer.write_text(json.dumps({"question": question, "virt_type": found}, indent=1))
    return found


def _kvm_boots(image: Image) -> bool:
    """Boot the image's kernel under KVM, and answer whether its first program spoke in time."""
    command = [
        program(EMULATOR), "-no-user-config", "-nodefaults", "-no-reboot", "-display", "none",
        "-machine", "q35", "-accel", "kvm", "-m", "128", "-serial", "stdio",
        "-kernel", str(image.kernel), "-initrd", str(image.initramfs), "-append", "console=ttyS0 quiet",
    ]  # fmt: skip
    deadline = time.monotonic() + PROBE_SECONDS
    console = b""
    with (
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0
        ) as qemu,
        selectors.DefaultSelector() as selector,
    ):
        assert qemu.stdout is not None  # noqa: S101 - asked for one line above
        selector.register(qemu.stdout, selectors.EVENT_READ)
        try:
            while _FIRST_LINE not in console and (left := deadline - time.monotonic()) > 0:
                if selector.select(left):
                    if not (more := qemu.stdout.read(4096)):
                        break  # QEMU has ended
                    console += more
        finally:
            qemu.kill()
    return _FIRST_LINE in console
