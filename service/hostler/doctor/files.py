# SPDX-License-Identifier: GPL-3.0-or-later
"""The service's files: whose they are, who can read them, and how much room there is for more."""

from __future__ import annotations

import difflib
import os
import pwd
import shutil
import stat
from pathlib import Path

from hostler.database import config
from hostler.database.sqlite_file import beside
from hostler.doctor.finding import Finding, failed, ok, warning
from hostler.settings import Settings

LITTLE, TOO_LITTLE = 1024**3, 100 * 1024**2
"""Bytes that are free: fewer are warned of, and with fewer still the next write may fail."""
LITTLE_SHARE = 0.05

_ALIKE = 0.85  # difflib's ratio: "vm_create_befor" for "vm_create_before" is


def state_folder(settings: Settings) -> list[Finding]:
    """Whether the state directory is there, and its owner's only."""
    folder = settings.state_dir
    try:
        found = folder.stat()
    except FileNotFoundError:
        remedy = "Start the service once; or set HOSTLER_STATE_DIR or HOSTLER_CONFIG as the service has them"
        return [failed("state directory", f"There is no state directory {folder}", remedy)]
    except OSError as error:
        remedy = "Run this as the service's user"
        return [failed("state directory", f"The state directory {folder} can't be read: {error.strerror}", remedy)]
    if not os.access(folder, os.W_OK | os.X_OK):
        remedy = f"Run this, and the service, as {_name(found.st_uid)}, or 'chown' the folder"
        return [failed("state directory", f"The state directory {folder} can't be written to", remedy)]
    mode = stat.S_IMODE(found.st_mode)
    if mode & 0o077:
        message = f"Others can look into the state directory {folder} (mode {mode:o})"
        return [warning("state directory", message, f"chmod 700 {folder}")]
    return [ok("state directory", f"The state directory {folder} is {_name(found.st_uid)}'s only")]


def private_files(settings: Settings) -> list[Finding]:
    """Whether the database, the keys and AWX's token are their owner's only, and all of them one owner's."""
    database = config.parse(settings.database_url).file
    paths = [settings.sealing_keys_file, settings.signing_keys_file, settings.awx_token_file]
    if database is not None:
        paths += [database, *beside(database), database.with_name(f"{database.name}.lock")]
    there = {path: path.stat() for path in paths if path is not None and path.exists()}
    wrong = []
    for path, found in there.items():
        mode = stat.S_IMODE(found.st_mode)
        if mode & 0o077:
            wrong.append(failed("files", f"Others can read {path} (mode {mode:o})", f"chmod 600 {path}"))
    owners = {found.st_uid for found in there.values()}
    if settings.state_dir.exists():
        owners.add(settings.state_dir.stat().st_uid)
    if len(owners) > 1:
        whose = ", ".join(f"{path.name} {_name(found.st_uid)}" for path, found in there.items())
        remedy = "'chown' them to the service's user, and type commands as that user"
        wrong.append(failed("files", f"The state directory and its files have several owners ({whose})", remedy))
    return wrong or [ok("files", f"The database's and the keys' files ({len(there)}) are their owner's only")]


def state_space(settings: Settings) -> list[Finding]:
    """Whether there is room where the service writes."""
    database = config.parse(settings.database_url).file
    folders = {settings.state_dir, *([database.parent] if database is not None else [])}
    return [_space(folder) for folder in sorted(folders) if folder.is_dir()]


def _space(folder: Path) -> Finding:
    space = shutil.disk_usage(folder)
    inodes = os.statvfs(folder)
    left = f"{space.free / 1024**3:.1f} GiB of {space.total / 1024**3:.1f}"
    remedy = "Free some, or give it more; job_retention_days and event_retention_days say how much is kept"
    if space.free < TOO_LITTLE or (inodes.f_files and not inodes.f_favail):
        return failed("space", f"There is hardly any room left under {folder} ({left})", remedy)
    if space.free < LITTLE or space.free < space.total * LITTLE_SHARE:
        return warning("space", f"There is little room left under {folder} ({left})", remedy)
    return ok("space", f"There is room under {folder} ({left} are free)")


def operators_folders(settings: Settings, playbooks: Path | None) -> list[Finding]:
    """Whether the operator's hooks and playbooks can be read, and are named so that somebody looks for them.

    ``playbooks`` is the folder of ours, by whose names theirs are found.
    """
    ours = [] if playbooks is None else [path.stem for path in playbooks.glob("*.yml")]
    hooks = [*ours, *(f"{name}_{when}" for name in ours for when in ("before", "after"))]
    return [
        *_operators_folder("hooks", "hooks_dir", settings.hooks_dir, hooks),
        *_operators_folder("playbooks", "playbooks_dir", settings.playbooks_dir, ours),
    ]


def _operators_folder(check: str, setting: str, folder: Path | None, wanted: list[str]) -> list[Finding]:
    if folder is None:
        return [ok(check, f"None are set ({setting})")]
    if not folder.is_dir():
        remedy = f"Make it, or unset {setting}"
        return [failed(check, f"The setting {setting} names {folder}, which is no folder", remedy)]
    if not os.access(folder, os.R_OK | os.X_OK):
        return [failed(check, f"The folder {folder} can't be read", "Let the service's user read it")]
    names = sorted(path for path in folder.iterdir() if path.suffix in (".yml", ".yaml"))
    wrong = []
    for path in names:
        if not (path.is_file() and os.access(path, os.R_OK)):
            wrong.append(failed(check, f"{path} can't be read", "Let the service's user read it"))
        meant = difflib.get_close_matches(path.stem, wanted, n=1, cutoff=_ALIKE)
        if meant and path.name != f"{meant[0]}.yml":
            wrong.append(warning(check, f"Nobody looks for {path}", f"Name it {meant[0]}.yml if that is meant"))
    return wrong or [ok(check, f"{folder} can be read ({len(names)} files)")]


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
