# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo's ``env`` file: what a client needs, for ``source``."""

import dataclasses
import os
import secrets
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_NAMES = {
    "url": "HOSTLER_URL",
    "token": "HOSTLER_TOKEN",
    "user": "HOSTLER_USER",
    "password": "HOSTLER_PASSWORD",
    "libvirt_uri": "LIBVIRT_DEFAULT_URI",
    "state_dir": "HOSTLER_STATE_DIR",  # else the command hostler would make a database of its own in its usual place
}


@dataclass(frozen=True)
class Environment:
    """What a client and the command ``hostler`` need to use the demo."""

    url: str
    token: str
    user: str
    password: str
    libvirt_uri: str
    state_dir: str

    @classmethod
    def kept_or_new(cls, folder: Path, libvirt_uri: str) -> Self:
        """What the folder's file says, or a new one with a password of its own, written down before it is used."""
        path = folder / "env"
        told = {"libvirt_uri": libvirt_uri, "state_dir": str(folder / "state")}
        if path.exists():
            fields = dict.fromkeys(_NAMES, "")
            for line in path.read_text().splitlines():
                words = shlex.split(line)
                name, _, value = words[1].partition("=") if len(words) == 2 else ("", "", "")
                fields.update({field: value for field, known in _NAMES.items() if known == name})
            return dataclasses.replace(cls(**fields), **told)
        new = cls(url="", token="", user="admin", password=secrets.token_urlsafe(18), **told)
        new.write(folder)
        return new

    def write(self, folder: Path) -> None:
        """Write the file, readable for its owner alone; a reader never sees half of it."""
        lines = [f"export {name}={shlex.quote(getattr(self, field))}\n" for field, name in _NAMES.items()]
        draft = folder / "env.new"
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.writelines(lines)
        draft.replace(folder / "env")
