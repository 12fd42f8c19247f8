# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the tests in which a host fails: ``server`` is the lab's, reached through a gate that can be shut."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI

from hostler.hosts.models import Server
from lab.gate import Gate
from lab.host import Host
from tests.service.machines.lab_service import api, clean_host, registered, settings

__all__ = ["api", "clean_host", "settings"]


@pytest.fixture
def gate(clean_host: Host) -> Iterator[Gate]:
    """The way to the lab's host; wide open after the test."""
    with tempfile.TemporaryDirectory() as folder:  # the path of a socket has to be short
        gate = Gate(clean_host.uri, Path(folder))
        yield gate
        gate.close()


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that hangs is given up after three seconds, and tried again at once: these tests lose it often."""
    core = "ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection"
    monkeypatch.setattr(f"{core}._KEEPALIVE_SECONDS", 1)
    monkeypatch.setattr(f"{core}._KEEPALIVE_COUNT", 2)
    monkeypatch.setattr("hostler.hosts.lookout._LONGEST_PAUSE_SECONDS", 0.1)


@pytest.fixture
async def server(app: FastAPI, gate: Gate, clean_host: Host) -> Server:
    """The lab's host behind the gate, reached and watched."""
    return await registered(app, clean_host, libvirt_uri=gate.uri)
