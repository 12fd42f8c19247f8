# SPDX-License-Identifier: GPL-3.0-or-later
"""The image's packages are read from what apt says."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.image.packages import Package, dependencies, needed, offered, offers

LISTING = """\
qemu-guest-agent
  Depends: libglib2.0-0
 |Depends: init-system-helpers
  PreDepends: libc6
busybox-static
dropbear-bin
  Depends: zlib1g
libglib2.0-0
  Depends: libpcre2-8-0
  Depends: <virtual>
libpcre2-8-0
libc6
zlib1g
init-system-helpers
  Depends: perl-base
linux-image-cloud-amd64
  Depends: linux-image-6.1.0-9-cloud-amd64
linux-image-6.1.0-9-cloud-amd64
  Depends: kmod
"""


def test_programs_kernel_and_libraries_are_needed_and_nothing_else() -> None:
    assert needed(dependencies(LISTING)) == [
        "busybox-static",
        "dropbear-bin",
        "libc6",
        "libglib2.0-0",
        "libpcre2-8-0",
        "linux-image-6.1.0-9-cloud-amd64",
        "qemu-guest-agent",
        "zlib1g",
    ]


def test_metapackage_without_a_kernel_is_an_error() -> None:
    with pytest.raises(LabError, match="linux-image-cloud-amd64 names no kernel"):
        needed({})


def test_offers_are_read_with_version_and_hash() -> None:
    sha256 = "ab" * 32
    uris = f"'mirror://somewhere/libc6_2.36_amd64.deb' libc6_2%3a2.36_amd64.deb 2759320 SHA256:{sha256}\n"
    assert offers(uris, ["libc6"]) == [Package("libc6", "libc6_2%3a2.36_amd64.deb", sha256)]


def test_package_that_apt_does_not_offer_is_named() -> None:
    with pytest.raises(LabError, match="no download of libc6; as root run: apt-get update"):
        offers("", ["libc6"])


def test_without_package_lists_the_error_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"apt has no package lists, .*: as root run: apt-get update"):
        offered(tmp_path / "packages.json", apt_lists=tmp_path / "lists")


def test_what_apt_said_before_its_lists_were_deleted_is_remembered(tmp_path: Path) -> None:
    libc = Package("libc6", "libc6_2%3a2.36_amd64.deb", "ab" * 32)
    remembered = tmp_path / "packages.json"
    remembered.write_text(json.dumps({"lists": "gone", "packages": [asdict(libc)]}))
    assert offered(remembered, apt_lists=tmp_path / "lists") == [libc]
