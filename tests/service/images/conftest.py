# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the image tests: the lab's host as a server, and what its pool of images had before the test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.commands import run
from lab.host import Host
from tests.service.machines.lab_service import api, clean_host, server, settings

__all__ = ["api", "clean_host", "folder", "qcow2", "server", "settings"]


@pytest.fixture
def folder(clean_host: Host) -> Iterator[Path]:
    """The folder of the host's image pool, which after the test has what it had before."""
    pool = clean_host.layout.pools["images"]
    before = set(pool.iterdir())
    yield pool
    for file in set(pool.iterdir()) - before:
        file.unlink()
    clean_host.virsh("pool-refresh", "images")


@pytest.fixture
def qcow2(tmp_path: Path) -> Path:
    """A qcow2 of 256 MiB that holds more than a body may have elsewhere."""
    raw = tmp_path / "some.raw"
    raw.write_bytes(os.urandom(5 * 1024**2))
    os.truncate(raw, 256 * 1024**2)
    file = tmp_path / "some.qcow2"
    run("qemu-img", "convert", "-O", "qcow2", raw, file)
    return file
