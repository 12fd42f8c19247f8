# SPDX-License-Identifier: GPL-3.0-or-later
"""What the doctor says of the process's surroundings."""

from __future__ import annotations

import http.server
import socket
import threading

import pytest

from hostler.doctor import surroundings
from hostler.doctor.finding import Level
from hostler.settings import Settings


def test_variables_that_are_nearly_settings() -> None:
    (found,) = surroundings.misspelt_variables({"HOSTLER_PROT": "1", "HOSTLER_PORT": "1"})
    assert (found.level, found.remedy) == (Level.WARNING, "Say HOSTLER_PORT if that is meant")

    (found,) = surroundings.misspelt_variables({"HOSTLER_PORT": "1"})
    assert found.level is Level.OK


@pytest.mark.parametrize(
    "name", ["", "Europe/Berlin", ":Europe/Berlin", "CET-1CEST,M3.5.0,M10.5.0/3", "<+03>-3", "UTC"]
)
def test_time_zones_that_are_known(name: str) -> None:
    (found,) = surroundings.time_zone({"TZ": name})

    assert found.level is Level.OK


@pytest.mark.parametrize("name", ["Europe/Berlni", "Mars", "../../etc/passwd", "Europe/"])
def test_time_zones_that_are_not(name: str) -> None:
    (found,) = surroundings.time_zone({"TZ": name})

    assert found.level is Level.WARNING
    assert name in found.message


def test_the_kernel_tells_of_its_clock() -> None:
    kernel = surroundings.kernel_clock()

    assert kernel is not None
    status, error = kernel
    assert status >= 0
    assert 0 <= error <= 16_000_000 * 2


@pytest.mark.parametrize(
    ("kernel", "level"),
    [
        ((0x2001, 12_000), Level.OK),
        ((0x2041, 12_000), Level.WARNING),
        ((0x2001, 16_000_000), Level.WARNING),
        (None, Level.OK),
    ],
)
def test_a_clock(kernel: tuple[int, int] | None, level: Level) -> None:
    (found,) = surroundings.clock(kernel)

    assert found.level is level


class _NotReady(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_error(503)

    def log_message(self, *_arguments: object) -> None:
        pass


def test_a_service_that_is_not_there_or_not_ready(settings: Settings) -> None:
    with http.server.HTTPServer(("127.0.0.1", 0), _NotReady) as server:
        settings = settings.model_copy(update={"host": "0.0.0.0", "port": server.server_port})  # noqa: S104 - dialled
        threading.Thread(target=server.handle_request).start()
        (found,) = surroundings.service(settings)
    assert found.level is Level.FAILED
    assert "HTTP 503" in found.message

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        (found,) = surroundings.service(settings.model_copy(update={"port": free.getsockname()[1]}))
    assert found.level is Level.WARNING

    (found,) = surroundings.service(settings.model_copy(update={"port": 0}))
    assert found.level is Level.OK
