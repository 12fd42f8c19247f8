# SPDX-License-Identifier: GPL-3.0-or-later
"""``/metrics`` on a real socket, where uvicorn may believe a proxy about who the client is."""

from __future__ import annotations

import httpx

from tests.service.conftest import ADMIN_PASSWORD
from tests.service.serving import Serve, read_until, serve

__all__ = ["serve"]


def test_who_comes_through_a_proxy_is_never_nearby_also_when_the_proxy_is_trusted(serve: Serve) -> None:
    url = read_until(
        serve(HOSTLER_TRUSTED_PROXIES="127.0.0.1", HOSTLER_ADMIN_PASSWORD=ADMIN_PASSWORD), r"is listening on (\S+)$"
    )[1]

    def status(**headers: str) -> int:
        return httpx.get(
            f"{url}/metrics", headers={name.replace("_", "-"): it for name, it in headers.items()}
        ).status_code

    assert status() == 200
    assert status(x_forwarded_for="127.0.0.1") == 401
    assert status(x_forwarded_for="192.0.2.1, 127.0.0.1") == 401
    assert status(x_forwarded_for="192.0.2.1") == 401
    assert status(host="hostler.example.com") == 401
