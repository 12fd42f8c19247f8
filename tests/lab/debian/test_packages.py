# SPDX-License-Identifier: GPL-3.0-or-later
"""The Debian image's packages are read from what apt says, and lie in a repository that apt understands."""

import hashlib
from pathlib import Path

import pytest

from lab.commands import run
from lab.debian.packages import installed, kernel_of
from lab.debian.repository import write_repository
from lab.errors import LabError


def test_packages_are_those_that_apt_would_install() -> None:
    plan = "Reading package lists...\nInst gcc-12-base (12.2.0-14 Debian:12)\nInst libc6 (2.36)\nConf libc6 (2.36)\n"
    assert installed(plan) == ["gcc-12-base", "libc6"]


def test_kernel_is_what_its_metapackage_depends_on() -> None:
    listing = "linux-image-cloud-amd64\n  Depends: linux-image-6.1.0-9-cloud-amd64\n"
    assert kernel_of(listing) == "linux-image-6.1.0-9-cloud-amd64"
    with pytest.raises(LabError, match="names no kernel"):
        kernel_of("linux-image-cloud-amd64\n")


def test_repository_names_each_package_by_its_digest_and_without_its_version(tmp_path: Path) -> None:
    control = tmp_path / "tree/DEBIAN/control"
    control.parent.mkdir(parents=True)
    control.write_text("Package: some\nVersion: 1:2-3\nArchitecture: all\nMaintainer: nobody\nDescription: none\n")
    deb = tmp_path / "some_1%3a2-3_all.deb"
    run("dpkg-deb", "--build", "--root-owner-group", tmp_path / "tree", deb)

    write_repository([deb], tmp_path / "repository", "bookworm")

    index = (tmp_path / "repository/Packages").read_text()
    digest = hashlib.sha256(deb.read_bytes()).hexdigest()
    assert "Package: some\nVersion: 1:2-3\n" in index
    assert f"Filename: ./some.deb\nSize: {deb.stat().st_size}\nSHA256: {digest}\n" in index
    assert (tmp_path / "repository/some.deb").read_bytes() == deb.read_bytes()
    release = (tmp_path / "repository/Release").read_text()
    assert release == (
        f"Codename: bookworm\nSHA256:\n {hashlib.sha256(index.encode()).hexdigest()} {len(index.encode())} Packages\n"
    )
