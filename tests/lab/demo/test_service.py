# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo's service beside others that want the same port."""

from __future__ import annotations

import dataclasses
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from lab.demo.environment import Environment
from lab.demo.service import Service


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    return folders


def brought_up(service: Service, folder: Path, port: int) -> Environment:
    environment = Environment.kept_or_new(folder, libvirt_uri="test:///default")
    return service.up(dataclasses.replace(environment, url=f"http://127.0.0.1:{port}"), "qemu")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.mark.slow
def test_two_demos_that_start_at_once_on_one_port_have_a_service_each(folders: list[Path]) -> None:
    services = [Service(folder) for folder in folders]
    port = free_port()
    try:
        with ThreadPoolExecutor() as threads:
            first, second = threads.map(brought_up, services, folders, [port, port])

        assert first.url != second.url
        for environment in (first, second):
            bearer = {"Authorization": f"Bearer {environment.token}"}
            known = httpx.get(f"{environment.url}/api/auth/me", headers=bearer, trust_env=False)
            assert known.status_code == 200, known.text
    finally:
        for service in services:
            service.down()


@pytest.mark.slow
def test_a_demo_goes_elsewhere_when_a_stranger_has_its_port(folders: list[Path]) -> None:
    service = Service(folders[0])
    try:
        with socket.create_server(("127.0.0.1", 0)) as stranger:
            port = stranger.getsockname()[1]
            environment = brought_up(service, folders[0], port)

        assert environment.url != f"http://127.0.0.1:{port}"
        assert environment.token
    finally:
        service.down()
