# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of all tests."""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

# the lab is not installed, as the service and the collection are: it is only for this tree
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from lab.cache import cache_folder
from lab.host import Host
from lab.lab import Lab


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have a file's tests run in one process, as they share what they made; the contract's share one demo."""
    for item in items:
        folder = item.path.parent
        group = folder if folder.name == "contract" else item.path
        item.add_marker(pytest.mark.xdist_group(str(group.relative_to(item.config.rootpath))))


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Name the event loop that asynchronous tests run on."""
    return "asyncio"


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """A real lab for all tests of the run. It begins with one host; it may get more, and none of them leaves."""
    # not in /tmp, which may be memory: disks of 20 GiB are made, and QEMU wants a file system of 4 KiB blocks
    with tempfile.TemporaryDirectory(prefix="test-", dir=cache_folder()) as folder, Lab(folder) as lab:
        yield lab


@pytest.fixture(scope="session")
def lab_host(lab: Lab) -> Host:
    """A real, private libvirt host with the tiny image in its pool, one for all tests of the run.

    Each test removes the guests and volumes that it made. One that kills libvirtd starts it again.
    """
    return lab.hosts[0]


@pytest.fixture(scope="session")
def lab_hosts(lab: Lab) -> list[Host]:
    """Two hosts, between which root's guests migrate; the first is `lab_host`. `Host.uris` is how they are reached."""
    lab.up(hosts=2)
    return lab.hosts
