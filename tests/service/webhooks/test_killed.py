# SPDX-License-Identifier: GPL-3.0-or-later
"""A service that is killed between sending and writing that down sends again, under the same id, and loses nothing."""

from __future__ import annotations

import httpx
import pytest

from tests.service.conftest import ADMIN_PASSWORD, DATABASE
from tests.service.serving import Serve, read_until, serve
from tests.service.webhooks.receiver import Receiver, always

__all__ = ["serve"]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(DATABASE != "sqlite", reason="the process makes its own database"),
]

ENVIRONMENT = {
    "HOSTLER_ADMIN_PASSWORD": ADMIN_PASSWORD,
    "HOSTLER_WEBHOOK_DESTINATIONS": '["loopback"]',
    "HOSTLER_WARM_START": "false",
}


def test_a_killed_service_sends_again_what_it_had_not_written_down_and_then_the_rest(
    serve: Serve, receiver: Receiver
) -> None:
    receiver.reply = lambda _received: None
    first = serve(**ENVIRONMENT)
    with logged_in(read_until(first, r"is listening on (\S+)$")[1]) as api:
        created = api.post("/api/webhooks", json={"url": receiver.url, "kinds": ["server.*"]})
        assert created.status_code == 201, created.text
        for number in range(3):
            body = {"hostname": f"quiet{number}", "libvirt_uri": "qemu+tls://192.0.2.9/system", "enabled": False}
            assert api.post("/api/servers", json=body).status_code == 201
    receiver.wait_for(1)  # it is there, and the service waits for its answer
    first.kill()
    first.communicate()
    receiver.reply = always(200)

    read_until(serve(**ENVIRONMENT), "is listening on")
    received = receiver.wait_for(4)

    assert received[0].id == received[1].id
    assert [one.body["data"]["hostname"] for one in received] == ["quiet0", "quiet0", "quiet1", "quiet2"]
    assert len({one.id for one in received}) == 3
    assert all(one.is_signed_with(created.json()["secret"]) for one in received)


def logged_in(url: str) -> httpx.Client:
    form = {"username": "admin", "password": ADMIN_PASSWORD}
    token = httpx.post(f"{url}/api/auth/login", data=form).json()["access_token"]
    return httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"})
