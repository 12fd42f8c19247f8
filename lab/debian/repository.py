# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder of packages that apt installs from: the very files that the recipe names, and no network."""

import hashlib
import shutil
from pathlib import Path

from lab.commands import run


def write_repository(debs: list[Path], folder: Path, codename: str) -> None:
    """Make the folder, with the packages and apt's index of them. mmdebstrap looks for the `codename` of a release."""
    folder.mkdir()
    entries = []
    for deb in debs:
        # without the version: a percent sign in it would be something else in a URI
        name = f"{deb.name.partition('_')[0]}.deb"
        shutil.copyfile(deb, folder / name)
        control = run("dpkg-deb", "--field", deb).strip()
        digest = hashlib.sha256(deb.read_bytes()).hexdigest()
        entries.append(f"{control}\nFilename: ./{name}\nSize: {deb.stat().st_size}\nSHA256: {digest}\n")
    index = "\n".join(entries).encode()
    (folder / "Packages").write_bytes(index)
    (folder / "Release").write_text(
        f"Codename: {codename}\nSHA256:\n {hashlib.sha256(index).hexdigest()} {len(index)} Packages\n"
    )
