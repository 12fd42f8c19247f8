# SPDX-License-Identifier: GPL-3.0-or-later
"""What receivers answer, and what is made of it: one sentence, nothing of theirs, and no more time than there is."""

from __future__ import annotations

import gzip
import io
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from hostler import logs
from hostler.hosts.models import Server
from hostler.settings import Settings
from tests.service.webhooks.conftest import came, deliveries, happen, made, new_server, serving, until
from tests.service.webhooks.receiver import Receiver, always, status

pytestmark = pytest.mark.anyio

HTTP = "The receiver did not answer as HTTP does"


async def pinged(api: httpx.AsyncClient, webhook: dict[str, Any]) -> dict[str, Any]:
    answer = await api.post(f"/api/webhooks/{webhook['id']}/test")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_test_sends_a_ping_and_says_what_came_back(api: httpx.AsyncClient, receiver: Receiver) -> None:
    receiver.reply = lambda _received: status(201, body=b"thanks\x1b[2J\xff\n")
    webhook = await made(api, receiver, enabled=False)

    answer = await pinged(api, webhook)

    assert answer.pop("milliseconds") > 0
    assert answer == {"delivered": True, "status": 201, "error": None, "body": "thanks\\x1b[2J\\xff\n"}
    (received,) = receiver.received
    assert received.is_signed_with(webhook["secret"])
    assert (received.body["type"], received.body["data"]) == ("ping", {"webhook_id": webhook["id"]})
    assert await deliveries(api, webhook) == []


@pytest.mark.parametrize(
    ("reply", "code", "error"),
    [
        (status(404), 404, "The receiver answered 404"),
        (status(500, body=b"x" * 10_000), 500, "The receiver answered 500"),
        (status(302, "Location: http://127.0.0.1:1/"), 302, "The receiver answered 302"),
        (status(304), 304, "The receiver answered 304"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", None, HTTP),
        (b"", None, HTTP),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", None, HTTP),
        (b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", None, HTTP),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000 + b"\r\n\r\n", None, HTTP),
        (b"HTTP/1.1 999 \x1b[31m\r\n\r\n", 999, "The receiver answered 999"),
    ],
    ids=["404", "500", "redirect", "304", "no HTTP", "nothing", "too short", "no length", "large head", "odd status"],
)
async def test_what_is_no_good_answer_is_said_in_a_sentence(
    api: httpx.AsyncClient, receiver: Receiver, reply: bytes, code: int | None, error: str
) -> None:
    receiver.reply = lambda _received: reply
    webhook = await made(api, receiver)

    answer = await pinged(api, webhook)

    assert (answer["delivered"], answer["status"], answer["error"]) == (False, code, error)
    assert len(receiver.received) == 1  # where a redirect led nobody has gone


async def test_nothing_of_a_url_or_of_an_answer_gets_into_the_log(
    settings: Settings, receiver: Receiver, log_undone: None
) -> None:
    receiver.reply = lambda _received: b"HTTP/1.1 500 phr\x1base\r\nX-Said: header\r\n\r\nbody"
    written = io.StringIO()
    logs.configure(settings.model_copy(update={"log_level": "debug"}), written)
    async with serving(settings) as api:
        url = f"{receiver.url}?token=sesame"
        webhook = (await api.post("/api/webhooks", json={"url": url})).json()
        await pinged(api, webhook)
        await happen(await new_server())
        await until(api, webhook, health="failing")

    assert "The receiver answered 500" in written.getvalue()
    for said in ("sesame", "phr", "header", "body", webhook["secret"], "webhook-signature"):
        assert said not in written.getvalue()


async def test_of_a_large_answer_the_beginning_is_read_and_no_more(api: httpx.AsyncClient, receiver: Receiver) -> None:
    receiver.reply = lambda _received: b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n" + b"y" * 2**26
    webhook = await made(api, receiver)

    answer = await pinged(api, webhook)

    assert (answer["delivered"], answer["body"]) == (True, "y" * 1024)


async def test_a_compressed_answer_is_not_unpacked(api: httpx.AsyncClient, receiver: Receiver) -> None:
    bomb = gzip.compress(bytes(2**24))
    receiver.reply = lambda _received: status(200, "Content-Encoding: gzip", body=bomb)
    webhook = await made(api, receiver)

    answer = await pinged(api, webhook)

    assert answer["delivered"]
    assert answer["body"].startswith("\\x1f\\x8b")
    assert receiver.received[0].headers["accept-encoding"] == "identity"


async def test_an_answer_that_drips_is_given_up_in_time(settings: Settings) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def drip() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            while not over.wait(0.2):
                try:
                    connection.sendall(b".")
                except OSError:
                    return

    threading.Thread(target=drip, daemon=True).start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    async with serving(settings.model_copy(update={"webhook_timeout_seconds": 1})) as api:
        answer = await pinged(api, (await api.post("/api/webhooks", json={"url": url})).json())

    over.set()
    listener.close()
    assert answer["error"] == "The receiver did not answer within 1 s"


async def test_a_receiver_that_is_too_busy_says_when_to_come_again(
    api: httpx.AsyncClient, receiver: Receiver, server: Server
) -> None:
    receiver.reply = lambda _received: status(429, "Retry-After: 1000")
    webhook = await made(api, receiver)
    await happen(server)

    state = await until(api, webhook, tries=1, status=429)

    assert state["next_try_at"] > state["failing_since"]
    assert (await came(receiver, 1))[0].event_id == state["last_event_id"] + 1
    receiver.reply = always(200)
    assert (await pinged(api, webhook))["delivered"]  # it is well again: what waits is sent now
    await until(api, webhook, health="ok", tries=0)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for 'localhost' that nobody has signed but itself, with its key."""
    path = tmp_path / "receiver.pem"
    made = f"req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {path} -out {path}"
    named = "-subj /CN=localhost -addext subjectAltName=DNS:localhost"
    subprocess.run(["openssl", *made.split(), *named.split()], check=True, capture_output=True)
    return path


@pytest.fixture
def tls_receiver(receiver: Receiver, certificate: Path) -> Iterator[Receiver]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    receiver.serve_tls(context)
    yield receiver


async def test_tls_is_verified(api: httpx.AsyncClient, tls_receiver: Receiver) -> None:
    url = f"https://localhost:{tls_receiver.port}/"
    webhook = (await api.post("/api/webhooks", json={"url": url})).json()

    answer = await pinged(api, webhook)

    assert (answer["delivered"], answer["status"]) == (False, None)
    assert answer["error"] == "The certificate of the receiver is not good: self-signed certificate"
    assert tls_receiver.received == []


async def test_a_certificate_is_that_of_the_name_though_the_address_is_connected_to(
    settings: Settings, tls_receiver: Receiver, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))  # as an authority of the system's
    answers = {}
    async with serving(settings) as api:
        for host in ("localhost", "127.0.0.1"):
            url = f"https://{host}:{tls_receiver.port}/"
            answers[host] = await pinged(api, (await api.post("/api/webhooks", json={"url": url})).json())

    assert answers["localhost"]["delivered"], answers
    assert [one.headers["host"] for one in tls_receiver.received] == [f"localhost:{tls_receiver.port}"]
    assert answers["127.0.0.1"]["error"].startswith("The certificate of the receiver is not good: IP address mismatch")


async def test_tls_where_none_is_spoken_is_said(api: httpx.AsyncClient, receiver: Receiver) -> None:
    webhook = (await api.post("/api/webhooks", json={"url": receiver.url.replace("http:", "https:")})).json()

    assert (await pinged(api, webhook))["error"] == "The receiver does not speak TLS as it should"
