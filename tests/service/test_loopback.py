# SPDX-License-Identifier: GPL-3.0-or-later
"""What counts as a request from the service's own machine."""

from __future__ import annotations

import pytest
from starlette.requests import HTTPConnection

from hostler.loopback import PASSED_ON, is_from_here


def asks(client: str | None, host: str, **headers: str) -> bool:
    given = {"host": host} | {name.replace("_", "-"): value for name, value in headers.items()}
    return is_from_here(
        HTTPConnection(
            {
                "type": "http",
                "client": None if client is None else (client, 40000),
                "headers": [(name.encode(), value.encode("latin-1")) for name, value in given.items()],
            }
        )
    )


@pytest.mark.parametrize("client", ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"])
@pytest.mark.parametrize("host", ["127.0.0.1:8470", "localhost", "LOCALHOST:8470", "[::1]:8470", "[::ffff:127.0.0.1]"])
def test_a_loopback_client_that_asks_for_a_loopback_address_is_from_here(client: str, host: str) -> None:
    assert asks(client, host)


@pytest.mark.parametrize("client", ["192.0.2.1", "::2", "::ffff:192.0.2.1", "localhost", "unknown", "", None])
def test_another_client_is_not(client: str | None) -> None:
    assert not asks(client, "127.0.0.1:8470")


@pytest.mark.parametrize(
    "host",
    ["", "hostler.example.com", "localhost.example.com", "127.0.0.1.example.com", "192.0.2.1", "[", "x@", "2130706433"],
)
def test_a_name_that_was_made_to_point_here_is_not_loopback(host: str) -> None:
    assert not asks("127.0.0.1", host)


@pytest.mark.parametrize("header", PASSED_ON)
@pytest.mark.parametrize("value", ["127.0.0.1", "", "192.0.2.1"])
def test_what_was_passed_on_is_not_from_here_whatever_it_says(header: str, value: str) -> None:
    assert not asks("127.0.0.1", "127.0.0.1", **{header: value})
