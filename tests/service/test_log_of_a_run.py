# SPDX-License-Identifier: GPL-3.0-or-later
"""The log of a real service's run: each line is JSON, and names the request, or the job's request, that it is of."""

from __future__ import annotations

import json
import signal
import socket
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import httpx

from tests.service.conftest import ADMIN_PASSWORD
from tests.service.serving import Serve, read_until, serve

__all__ = ["serve"]

Line = dict[str, Any]

HOSTILE_PATHS = (
    "/%0a2026-01-01T00:00:00Z%20[info]%20request%20path=/forged%20status=200",
    "/%0d%0a%22%7d%0a%7b%22event%22:%22forged%22%7d",
    "/%1b[2J%1b]0;forged%07",
    "/%e2%80%ae%e2%80%a8%c2%85",
    "/%ff%fe",
)
UNREADABLE = HOSTILE_PATHS[-1]


def send_raw(url: str, text: bytes) -> bytes:
    """Send what no client library would, and return the answer."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=10) as connection:
        connection.sendall(text)
        answer = b""
        while more := connection.recv(65536):
            answer += more
    return answer


def until(happened: Callable[[], Any]) -> Any:
    """Wait until ``happened`` answers something true, and return that."""
    deadline = time.monotonic() + 20
    while not (found := happened()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def send_hostile(url: str) -> None:
    """Send all that might forge a line: in paths, headers and a name."""
    for path in HOSTILE_PATHS:
        start = b"GET " + path.encode() + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        headers = b'User-Agent: forged\r\nX-Request-ID: a b"=[forged\r\nX-Forwarded-For: forged\r\n\r\n'
        status = b"422" if path == UNREADABLE else b"404"
        assert send_raw(url, start + headers).startswith(b"HTTP/1.1 %b " % status)
        # what no header can hold is refused before there is a request
        refused = send_raw(url, start + headers.replace(b"forged", b"\x1b[2Jforged"))
        assert refused.startswith(b"HTTP/1.1 400 ")
    form = {"username": "a\n\x1b[2Jforged", "password": "x"}
    assert httpx.post(f"{url}/api/auth/login", data=form).status_code == 401


def test_no_request_can_forge_a_line_that_people_read(serve: Serve) -> None:
    process = serve(HOSTLER_LOG_FORMAT="console", HOSTLER_ADMIN_PASSWORD=ADMIN_PASSWORD)
    url = read_until(process, r"is listening on (\S+)$")[1]
    send_hostile(url)

    process.send_signal(signal.SIGTERM)
    _, log = process.communicate()

    lines = log.splitlines()
    assert [line for line in lines if not line.isprintable()] == []
    assert len([line for line in lines if "[hostler.request_context]" in line]) == len(HOSTILE_PATHS) + 1
    assert all(line[:2] == "20" and "Z [" in line for line in lines)


def test_each_line_is_json_and_names_its_request_also_in_the_job(serve: Serve) -> None:
    process = serve(
        HOSTLER_LOG_FORMAT="json",
        HOSTLER_LOG_LEVEL="debug",
        HOSTLER_ADMIN_PASSWORD=ADMIN_PASSWORD,
        HOSTLER_TRUSTED_LIBVIRT_URIS='["test:///default"]',
    )
    url = read_until(process, r"is listening on (\S+)$")[1]
    form = {"username": "admin", "password": ADMIN_PASSWORD}
    token = httpx.post(f"{url}/api/auth/login", data=form).json()["access_token"]
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}) as client:
        server = {"hostname": "t1", "libvirt_uri": "test:///default", "virt_type": "qemu"}
        made = client.post("/api/servers", json=server, headers={"X-Request-ID": "registers"})
        assert made.status_code == 201, made.text
        (vm,) = until(lambda: client.get("/api/vms").json()["vms"])
        stopped = client.post(f"/api/vms/{vm['id']}/force-stop", headers={"X-Request-ID": "stops-it"})
        assert stopped.status_code == 200, stopped.text
        client.get("/healthz")
    send_hostile(url)

    process.send_signal(signal.SIGTERM)
    _, log = process.communicate()

    assert [line for line in log.splitlines() if not line.isprintable()] == []
    lines: list[Line] = [json.loads(line) for line in log.splitlines()]
    strangers = [line for line in lines if line["event"] == "request" and line["path"].startswith("/\n2026")]
    assert [line["status"] for line in strangers] == [404]
    assert all("forged" not in line.get("request_id", "") for line in lines)
    assert all({"event", "level", "logger", "timestamp"} <= set(line) for line in lines)
    of_the_job = [line for line in lines if line["event"].startswith("job.")]
    assert [line["event"] for line in of_the_job] == ["job.started", "job.succeeded"]
    assert {(line["request_id"], line["user"], line["vm"]) for line in of_the_job} == {("stops-it", "admin", vm["id"])}
    (request,) = [line for line in lines if line["event"] == "request" and line["request_id"] == "stops-it"]
    shown = {name: request[name] for name in ("method", "path", "status", "user")}
    assert shown == {"method": "POST", "path": f"/api/vms/{vm['id']}/force-stop", "status": 200, "user": "admin"}
    assert request["milliseconds"] > 0
    # what goes on for as long as the service runs belongs to nobody's request
    (watched,) = [line for line in lines if line["event"] == "host.watched"]
    assert "request_id" not in watched
