# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab serves a plain user too: the tests of a lab and a guest, run again by the user nobody."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from pwd import getpwnam

import pytest

from lab.cache import REPOSITORY, cache_folder
from lab.commands import run
from lab.image.build import tiny_image
from lab.image.disk import BOOT, SECTOR

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


def nobody(home: Path, *arguments: str, before: Sequence[str] = ()) -> "subprocess.CompletedProcess[str]":
    """Run this Python as nobody; `before` is a command that runs it in turn."""
    identity = (*before, "setpriv", f"--reuid={NOBODY.pw_uid}", f"--regid={NOBODY.pw_gid}", "--clear-groups", "--")
    return subprocess.run(
        [*identity, sys.executable, "-B", *arguments],
        cwd=REPOSITORY,
        env={"PATH": "/usr/bin:/bin", "HOME": str(home), "TMPDIR": str(home), "HOSTLER_CACHE": str(home / "cache")},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


@pytest.mark.slow
def test_lab_and_guest_work_for_a_plain_user_and_nothing_is_left(home: Path) -> None:
    if nobody(home, "-c", "import lab, pytest").returncode:
        pytest.skip("this tree is closed to other users")
    before = folders_of_nobody()
    done = nobody(home, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/lab", "-k", CHOSEN)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "9 passed" in done.stdout

    assert [command for command in commands_of_nobody() if "lab.keeper" in command or "qemu-system" in command] == []
    numbers = Path(f"/tmp/hostler-slots-{NOBODY.pw_uid}")  # noqa: S108  of all of a user's labs, so it stays
    assert folders_of_nobody() - before - {numbers} == set()


@pytest.mark.slow
def test_debian_image_is_built_by_a_plain_user_who_may_be_many(home: Path) -> None:
    if nobody(home, "-c", "import lab").returncode:
        pytest.skip("this tree is closed to other users")
    for file in cache_folder().glob("packages/*.deb"):
        (home / "cache/lab/packages").mkdir(exist_ok=True)
        shutil.copy(file, home / "cache/lab/packages")
    for path in (home / "cache").rglob("*"):
        os.chown(path, NOBODY.pw_uid, NOBODY.pw_gid)
    refused = nobody(home, "-m", "lab", "image", "debian")
    assert refused.returncode == 1
    assert refused.stderr == (
        "lab: the Debian guest image has files of many users, and nobody may be only one: as root install the package"
        " uidmap and run: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 nobody\n"
    )

    granted = home / "granted"
    granted.write_text("nobody:1000000:65536\n")
    grant = 'mount --bind "$0" /etc/subuid && mount --bind "$0" /etc/subgid && exec "$@"'
    done = nobody(home, "-m", "lab", "image", "debian", before=("unshare", "--mount", "sh", "-c", grant, str(granted)))
    assert done.returncode == 0, done.stderr
    image = Path(done.stdout.strip())
    assert image.parent == home / "cache/lab"
    assert image.stat().st_uid == NOBODY.pw_uid
    assert not list((home / "cache/lab").glob("build-*"))
    # in the guest each file is whose it is in any Debian
    run("qemu-img", "convert", "-O", "raw", image, home / "raw")
    root = f"{home}/raw?offset={(BOOT.start + BOOT.length) * SECTOR}"
    shadow, sudo = (run("debugfs", "-R", f"stat {file}", root) for file in ("/etc/shadow", "/usr/bin/sudo"))
    assert re.search(r"(?s)Mode: +0640 .*User: +0 +Group: +42 ", shadow), shadow
    assert re.search(r"(?s)Mode: +04755 .*User: +0 +Group: +0 ", sudo), sudo


def folders_of_nobody() -> set[Path]:
    """Answer what of Hostler's is in the temporary folder and nobody's; others, PostgreSQL for one, have some there."""
    return {folder for folder in Path("/tmp").glob("hostler-*") if folder.stat().st_uid == NOBODY.pw_uid}  # noqa: S108


def commands_of_nobody() -> Iterator[str]:
    """Answer the command lines of nobody's processes; of one that has ended, and waits to be reaped, an empty one."""
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if folder.stat().st_uid == NOBODY.pw_uid:
                yield (folder / "cmdline").read_text()
