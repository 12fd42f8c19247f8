# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab serves a plain user too: the tests of a lab and a guest, run again by the user nobody."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from pwd import getpwnam

import pytest

from lab.cache import REPOSITORY, cache_folder
from lab.image.build import tiny_image

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(os.geteuid() != 0, reason="run by a plain user, the other tests are this very test"),
]

NOBODY = getpwnam("nobody")

CHOSEN = " or ".join(
    (
        "active_pools",
        "owners_alone",
        "outlives_a_killed",
        "console_opens",
        "paused_libvirtd",
        "up_keeps",
        "two_ups_at_once",
        "told_that_tcp",
        "uefi_guest",
    )
)


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder of nobody's own, with a copy of the cached image."""
    image = tiny_image()
    # not below tmp_path, which is root's alone
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cache = folder / "cache/lab"
        cache.mkdir(parents=True)
        for file in (image.qcow2, image.kernel, image.initramfs, cache_folder() / "packages.json"):
            shutil.copy(file, cache)
        for path in (folder, *folder.rglob("*")):
            os.chown(path, NOBODY.pw_uid, NOBODY.pw_gid)
        yield folder


def nobody(home: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run this Python as nobody."""
    identity = ("setpriv", f"--reuid={NOBODY.pw_uid}", f"--regid={NOBODY.pw_gid}", "--clear-groups", "--")
    return subprocess.run(
        [*identity, sys.executable, "-B", *arguments],
        cwd=REPOSITORY,
        env={"PATH": "/usr/bin:/bin", "HOME": str(home), "TMPDIR": str(home), "HOSTLER_CACHE": str(home / "cache")},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_lab_and_guest_work_for_a_plain_user_and_nothing_is_left(home: Path) -> None:
    if nobody(home, "-c", "import lab, pytest").returncode:
        pytest.skip("this tree is closed to other users")
    done = nobody(home, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/lab", "-k", CHOSEN)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "9 passed" in done.stdout

    assert [command for command in commands_of_nobody() if "lab.keeper" in command or "qemu-system" in command] == []
    assert not [folder for folder in Path("/tmp").glob("hostler-*") if folder.stat().st_uid == NOBODY.pw_uid]  # noqa: S108


def commands_of_nobody() -> Iterator[str]:
    """Answer the command lines of nobody's processes; of one that has ended, and waits to be reaped, an empty one."""
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if folder.stat().st_uid == NOBODY.pw_uid:
                yield (folder / "cmdline").read_text()
