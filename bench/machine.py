# SPDX-License-Identifier: GPL-3.0-or-later
"""The facts of the machine and the versions that a figure belongs to."""

from __future__ import annotations

import os
import platform
import sqlite3
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from lab.cache import REPOSITORY

_PACKAGES = ("fastapi", "starlette", "uvicorn", "uvloop", "httptools", "tortoise-orm", "pydantic", "psycopg")


def facts() -> dict[str, str]:
    """What to print above the tables: processor, memory, kernel, versions."""
    return {
        "processor": f"{os.cpu_count()} cores, {_field('/proc/cpuinfo', 'model name')}",
        "memory": f"{int(_field('/proc/meminfo', 'MemTotal').split()[0]) / 1024 / 1024:.0f} GiB",
        "kernel": platform.release(),
        "system": _field("/etc/os-release", "PRETTY_NAME", "=").strip('"'),
        "Python": platform.python_version(),
        "SQLite": sqlite3.sqlite_version,
        "commit": _commit(),
        **{name: _version(name) for name in ("hostler", "ansible-core", "ansible-runner", *_PACKAGES)},
    }


def load() -> float:
    """The load average over a minute."""
    return os.getloadavg()[0]


def _field(path: str, name: str, separator: str = ":") -> str:
    for line in Path(path).read_text().splitlines():
        key, found, value = line.partition(separator)
        if found and key.strip() == name:
            return value.strip()
    return "unknown"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _commit() -> str:
    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments],  # noqa: S607 - whichever git made the clone
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=False,
        ).stdout.strip()

    dirty = git("status", "--porcelain", "--untracked-files=no", "--", "service", "playbooks", "collections", "bench")
    return (git("rev-parse", "--short", "HEAD") or "unknown") + (" and changes" if dirty else "")
