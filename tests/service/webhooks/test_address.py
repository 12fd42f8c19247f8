# SPDX-License-Identifier: GPL-3.0-or-later
"""Which addresses webhooks may be sent to: told by the address, whatever it is written as."""

from __future__ import annotations

import ipaddress
import socket
import subprocess
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from hostler.settings import Settings
from hostler.webhooks.address import checked_url, host_of, literal_address, may_be_reached, reach_of, resolved
from hostler.webhooks.couriers import Couriers
from hostler.webhooks.models import Webhook
from tests.service.webhooks.conftest import made
from tests.service.webhooks.receiver import Receiver

UNSPECIFIED = "0.0.0.0"  # noqa: S104 - nothing is bound to it


@pytest.mark.parametrize(
    ("reach", "addresses"),
    [
        ("public", ["1.1.1.1", "172.32.0.1", "2606:4700::1", "::ffff:8.8.8.8", "64:ff9b::808:808"]),
        ("private", ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "fd00:ec2::253"]),
        ("private", ["::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::", "::ffff:0:a00:1", "fec0::1", "feff::1"]),
        ("loopback", ["127.0.0.1", "127.255.0.1", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::"]),
        ("loopback", ["::ffff:0:7f00:1"]),
        ("link-local", ["169.254.169.254", "fe80::1", "febf::1", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe"]),
        ("link-local", ["fd00:ec2::254", "100.100.100.200", "168.63.129.16", "::ffff:100.100.100.200"]),
        ("special", [UNSPECIFIED, "::", "224.0.0.1", "239.1.1.1", "255.255.255.255", "240.0.0.1", "192.0.2.1"]),
        ("special", ["ff02::1", "ff0e::1"]),
        ("special", ["198.18.0.1", "2001:db8::1", "::ffff:0.0.0.0", "64:ff9b::", "::127.0.0.1"]),
    ],
)
def test_who_can_be_at_an_address(reach: str, addresses: list[str]) -> None:
    assert {address: reach_of(ipaddress.ip_address(address)).value for address in addresses} == dict.fromkeys(
        addresses, reach
    )


def test_no_address_of_this_machine_is_reached_where_loopback_is_not_allowed() -> None:
    said = subprocess.run(["hostname", "-I"], capture_output=True, text=True, check=True).stdout.split()

    assert [one for one in said if may_be_reached(ipaddress.ip_address(one), ("private",))] == []


def test_only_public_ones_and_those_of_the_setting_may_be_reached() -> None:
    found = {
        text: [
            may_be_reached(ipaddress.ip_address(text), allowed)
            for allowed in ((), ("private",), ("private", "loopback", "link-local"))
        ]
        for text in ("9.9.9.9", "10.1.1.1", "127.0.0.1", "169.254.169.254", UNSPECIFIED)
    }

    assert found == {
        "9.9.9.9": [True, True, True],
        "10.1.1.1": [False, True, True],
        "127.0.0.1": [False, False, True],
        "169.254.169.254": [False, False, True],
        UNSPECIFIED: [False, False, False],
    }


def test_by_default_neither_the_machine_itself_nor_a_clouds_metadata_can_be_reached(clean_environment: None) -> None:
    assert Settings().webhook_destinations == ("private",)


@pytest.mark.parametrize(
    "url",
    [
        "http://receiver",
        "https://receiver.example.com:8443/path/x?token=a%20b&c=@d",
        "http://[2001:db8::1]:80/",
        "http://10.0.0.1?x",
        "http://with_underscore.local/",
        "https://xn--empfnger-4za.example/",
        "http://a/~b;c=1,2!$'()*+",
    ],
)
def test_urls_that_are_good(url: str) -> None:
    assert checked_url(url) == url
    assert f"//{host_of(httpx.URL(url))}" in url.replace("[", "")


@pytest.mark.parametrize("host", ["a" * 64 + ".example", "a..example"])
def test_a_name_that_no_name_server_can_be_asked_for_is_not_found(host: str) -> None:
    with pytest.raises(socket.gaierror):
        resolved(host, 80)


def test_an_address_is_seen_in_a_url_and_a_name_is_none() -> None:
    assert str(literal_address("http://10.0.0.1:80/x")) == "10.0.0.1"
    assert str(literal_address("https://[::1]/")) == "::1"
    assert literal_address("http://receiver.example/") is None


@pytest.mark.parametrize("written", ["2130706433", "0x7f.1", "127.1", "0177.0.0.1", "localhost"])
def test_whatever_a_loopback_address_is_written_as_it_is_one(written: str) -> None:
    assert {reach_of(address).value for address in resolved(written, 80)} == {"loopback"}


@pytest.mark.anyio
@pytest.mark.parametrize("host", ["localhost", "127.1", "2130706433"])
async def test_a_name_of_an_address_that_is_not_allowed_is_not_connected_to(
    settings: Settings, app: FastAPI, api: httpx.AsyncClient, receiver: Receiver, host: str
) -> None:
    couriers: Couriers = app.state.couriers
    webhook = await made(api, receiver, enabled=False)
    await Webhook.filter(id=webhook["id"]).update(url=f"http://{host}:{receiver.port}/")
    couriers.sender._allowed = ("private",)

    answer = (await api.post(f"/api/webhooks/{webhook['id']}/test")).json()

    assert answer["delivered"] is False
    assert answer["error"].startswith("The setting webhook_destinations does not allow the address ")
    assert answer["error"].endswith(", which is loopback")
    assert receiver.received == []


@pytest.mark.anyio
async def test_a_name_that_changes_its_mind_is_connected_to_where_it_was_looked_at(
    api: httpx.AsyncClient, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding: the second answer of the name server is another than the first."""
    asked: list[Any] = []
    real = socket.getaddrinfo

    def fickle(host: Any, *arguments: Any, **more: Any) -> Any:
        if host != "fickle.example":
            return real(host, *arguments, **more)
        asked.append(host)
        return real("127.0.0.1" if len(asked) == 1 else "192.0.2.1", *arguments, **more)

    monkeypatch.setattr(socket, "getaddrinfo", fickle)
    webhook = await made(api, receiver, enabled=False)
    await Webhook.filter(id=webhook["id"]).update(url=f"http://fickle.example:{receiver.port}/x")

    first = (await api.post(f"/api/webhooks/{webhook['id']}/test")).json()
    second = (await api.post(f"/api/webhooks/{webhook['id']}/test")).json()

    assert first["delivered"]
    assert asked == ["fickle.example"] * 2  # once for each try: what was looked at is what was connected to
    assert receiver.received[0].headers["host"] == f"fickle.example:{receiver.port}"
    assert second["error"].endswith("192.0.2.1, which is no receiver's")


@pytest.mark.anyio
async def test_of_a_name_with_several_addresses_the_allowed_ones_are_tried_one_after_another(
    api: httpx.AsyncClient, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def several(*_arguments: Any, **_more: Any) -> Any:
        # not allowed, nobody there, the receiver
        return [(2, 1, 6, "", (one, receiver.port)) for one in ("169.254.169.254", "127.0.0.2", "127.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", several)
    webhook = await made(api, receiver, enabled=False)
    await Webhook.filter(id=webhook["id"]).update(url=f"http://several.example:{receiver.port}/x")

    assert (await api.post(f"/api/webhooks/{webhook['id']}/test")).json()["delivered"]
    assert len(receiver.received) == 1


@pytest.mark.anyio
async def test_a_name_that_nobody_has_is_said(api: httpx.AsyncClient, receiver: Receiver) -> None:
    url = "http://no-such-name.invalid/"
    webhook = (await api.post("/api/webhooks", json={"url": url, "enabled": False})).json()

    answer = (await api.post(f"/api/webhooks/{webhook['id']}/test")).json()

    # where the machine has a name server at all; without, it takes until the time is over
    assert answer["error"] in (
        "The name of the receiver can't be resolved",
        "The receiver did not answer within 10 s",
    )
