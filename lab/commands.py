# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the programs that the lab is made of."""

import logging
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from lab.errors import LabError

log = logging.getLogger("lab")

_SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin")
"""Where Debian keeps libvirtd, ip and mkfs, and where a plain user's PATH does not look."""


@cache
def program(name: str) -> str:
    """Find a program, and answer its path. Raises LabError where it is not installed."""
    if (found := shutil.which(name, path=_search_path())) is None:
        raise LabError(f"the program {name} is missing: install the packages of apt-packages.txt (make setup)")
    return found


def run(
    *command: str | Path,
    timeout: float = 60,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
    given: bytes | None = None,
) -> str:
    """Run a command to its end and answer what it printed.

    `timeout` is in seconds, `environment` adds to this process's, `given` is its standard input. Raises LabError with
    the command's own last words when it fails, and when it takes too long.
    """
    arguments = [program(str(command[0])), *map(str, command[1:])]
    try:
        done = subprocess.run(
            arguments,
            cwd=cwd,
            # in English, since some output is read here
            env={**os.environ, "PATH": _search_path(), "LC_ALL": "C.UTF-8", **(environment or {})},
            input=given if given is not None else b"",
            capture_output=True,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise LabError(f"no answer after {timeout:g} s: {_shown(arguments)}") from None
    log.debug("%s\n%s%s", _shown(arguments), done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))
    if done.returncode:
        words = done.stderr.decode(errors="replace").strip() or done.stdout.decode(errors="replace").strip()
        raise LabError(f"{words or f'exit code {done.returncode}'} (from: {_shown(arguments)})")
    return done.stdout.decode(errors="replace")


def _search_path() -> str:
    return os.pathsep.join([os.environ.get("PATH", os.defpath), *_SYSTEM_FOLDERS])


def _shown(arguments: Sequence[str]) -> str:
    return " ".join([Path(arguments[0]).name, *arguments[1:]])
