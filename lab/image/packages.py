# SPDX-License-Identifier: GPL-3.0-or-later
"""The Debian packages that the image is made of, as the machine's own apt offers them."""

import hashlib
import json
import logging
import os
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from lab.commands import run
from lab.errors import LabError

log = logging.getLogger("lab")

PROGRAMS = ("busybox-static", "dropbear-bin", "qemu-guest-agent")
"""The guest's programs; the libraries that they need follow from their dependencies."""

KERNEL = "linux-image-cloud-amd64"
"""A metapackage: it depends on the newest kernel for virtual machines, which boots faster than the general one."""

APT_LISTS = Path("/var/lib/apt/lists")
FRESH_LISTS = "as root run: apt-get update"
"""What somebody can do where apt's lists are old or missing."""


@dataclass(frozen=True)
class Package:
    """One package file: its name, the file's name as apt saves it (the version is in it) and its SHA-256."""

    name: str
    filename: str
    sha256: str


def offered(
    remembered: Path, apt_lists: Path = APT_LISTS, ask: Callable[[], list[Package]] | None = None
) -> list[Package]:
    """Answer the packages of an image, the tiny one unless `ask` asks for others, in the versions that apt offers now.

    Asking apt takes seconds, so the answer is kept in the file `remembered` for as long as apt's lists stay as
    they are, and where they have been deleted. Raises LabError where there have never been lists, and where apt does
    not know a package.
    """
    lists = _state_of(apt_lists)
    try:
        known = json.loads(remembered.read_text())
        if lists in {known["lists"], None}:
            return [Package(**package) for package in known["packages"]]
    except (OSError, ValueError, KeyError, TypeError):
        pass  # nothing remembered, or by another version of this file: apt is asked
    if lists is None:
        raise LabError(f"apt has no package lists, so the guest image can't be built: {FRESH_LISTS}")
    packages = (ask or _ask_apt)()
    fresh = remembered.with_suffix(f".{os.getpid()}")
    fresh.write_text(json.dumps({"lists": lists, "packages": [asdict(package) for package in packages]}, indent=1))
    fresh.replace(remembered)
    return packages


def fetch(packages: list[Package], folder: Path) -> None:
    """Download into `folder` those packages that it lacks, each checked against its SHA-256."""
    missing = [package for package in packages if not _intact(folder / package.filename, package.sha256)]
    if not missing:
        return
    log.info("downloading %d packages for a guest image", len(missing))
    # apt's own sandbox user could not write here, and root is not needed
    unsandboxed = ("-o", "APT::Sandbox::User=")
    try:
        run("apt-get", "download", "-q", *unsandboxed, *[package.name for package in missing], cwd=folder, timeout=600)
    except LabError as error:
        raise LabError(
            f"no download of a guest image's packages; if apt's lists are old, {FRESH_LISTS}. {error}"
        ) from None
    for package in missing:
        if not _intact(folder / package.filename, package.sha256):
            raise LabError(f"apt downloaded no intact {package.filename}; its lists may be old, {FRESH_LISTS}")


def _state_of(lists: Path) -> str | None:
    """Answer what changes whenever ``apt-get update`` brought something new, None if there are no lists."""
    files = sorted(lists.glob("*_Packages*")) if lists.is_dir() else []
    if not files:
        return None
    return hashlib.sha256(repr([(file.name, file.stat().st_mtime_ns) for file in files]).encode()).hexdigest()


def _ask_apt() -> list[Package]:
    try:
        depends = run(
            "apt-cache", "depends", "--recurse", "--no-recommends", "--no-suggests", "--no-conflicts",
            "--no-breaks", "--no-replaces", "--no-enhances", *PROGRAMS, KERNEL,
        )  # fmt: skip
        names = needed(dependencies(depends))
        uris = run("apt-get", "download", "--print-uris", *names)
    except LabError as error:
        raise LabError(f"apt does not offer what the guest image needs; {FRESH_LISTS}. It said: {error}") from None
    return offers(uris, names)


def dependencies(listing: str) -> dict[str, list[str]]:
    """Read the output of ``apt-cache depends --recurse``: package name → names of what it depends on."""
    graph: dict[str, list[str]] = {}
    package = ""
    for line in listing.splitlines():
        if line and not line[0].isspace():
            package = line
            graph[package] = []
        elif match := re.match(r" [ |](?:Pre)?Depends: ([^<\s]+)", line):
            graph[package].append(match[1])
    return graph


def needed(graph: dict[str, list[str]]) -> list[str]:
    """Answer the image's packages: programs, kernel, and every library below the programs, sorted.

    Only libraries are followed: what a package's maintainer scripts need (perl, dpkg …) never runs in the guest.
    """
    kernels = [name for name in graph.get(KERNEL, []) if name.startswith("linux-image-")]
    if not kernels:
        raise LabError(f"{KERNEL} names no kernel")
    found: set[str] = set()
    waiting = list(PROGRAMS)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += [library for library in graph.get(name, []) if re.match(r"lib(?!perl)|zlib", library)]
    return sorted([*found, kernels[0]])


def offers(uris: str, names: list[str]) -> list[Package]:
    """Read the output of ``apt-get download --print-uris``: lines of 'URI' FILENAME SIZE SHA256:HEX."""
    packages = {}
    for line in uris.splitlines():
        if match := re.match(
            r"'[^']*' (?P<filename>(?P<name>[^_]+)_\S+\.deb) \d+ SHA256:(?P<sha256>[0-9a-f]{64})", line
        ):
            packages[match["name"]] = Package(**match.groupdict())
    if absent := sorted(set(names) - packages.keys()):
        raise LabError(f"apt offers no download of {', '.join(absent)}; {FRESH_LISTS}")
    return [packages[name] for name in names]


def _intact(file: Path, sha256: str) -> bool:
    return file.is_file() and hashlib.sha256(file.read_bytes()).hexdigest() == sha256
