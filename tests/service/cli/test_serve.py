# SPDX-License-Identifier: GPL-3.0-or-later
"""``hostler serve``, as a process with a real socket."""

from __future__ import annotations

import json
import re
import signal
import socket
import time
from pathlib import Path

import httpx

from hostler.settings import Settings
from tests.service.serving import Serve, read_until


def test_from_nothing_to_a_token_and_back_to_nothing(serve: Serve) -> None:
    process = serve(HOSTLER_LOG_FORMAT="json")
    password = read_until(process, r"password  (\S+)")[1]
    url = read_until(process, r"is listening on (http://127\.0\.0\.1:\d+)$")[1]

    with httpx.Client(base_url=url) as client:
        pair = client.post("/api/auth/login", data={"username": "admin", "password": password}).json()
        headers = {"Authorization": f"Bearer {pair['access_token']}"}
        assert client.get("/api/auth/me", headers=headers).json()["username"] == "admin"
        assert client.get("/api/users?search=sesame", headers=headers).status_code == 200
        assert "server" not in client.get("/healthz").headers
        broken = client.get("/api/auth/me", headers={"Authorization": "Bearer hostler_aaaaaaaa_" + "b" * 40})
        assert broken.status_code == 401

    process.send_signal(signal.SIGTERM)
    output, log = process.communicate()

    assert output == ""
    for secret in (password, pair["access_token"], pair["refresh_token"], "b" * 40, "sesame"):
        assert secret not in log
    lines = [json.loads(line) for line in log.splitlines()]
    requests = [(line["method"], line["path"], line["status"]) for line in lines if line["event"] == "request"]
    assert ("GET", "/api/auth/me", 200) in requests
    assert all("request_id" in line for line in lines if line["event"] == "request")
    users = {line["path"]: line.get("user") for line in lines if line["event"] == "request"}
    assert users["/api/users"] == "admin"


def test_a_second_service_on_the_same_database_says_why_it_does_not_start(serve: Serve) -> None:
    first = serve()
    read_until(first, "is listening on")

    second = serve()
    _, said = second.communicate()

    assert second.returncode == 1
    assert re.search(
        rf"^hostler: Another hostler service \(process {first.pid}\) uses the database ", said, re.MULTILINE
    )
    assert "Traceback" not in said
    assert first.poll() is None


def test_a_port_that_is_taken_is_a_sentence(serve: Serve) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = serve("--port", str(port))
        _, said = process.communicate()

    assert process.returncode == 1
    assert said == f"hostler: The service can't listen on 127.0.0.1 port {port}: Address already in use\n"


def test_of_two_that_start_at_once_on_a_port_the_second_has_touched_nothing(serve: Serve, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    folders = [tmp_path / "one", tmp_path / "two"]

    started = [serve("--port", port, HOSTLER_STATE_DIR=str(folder)) for folder in folders]

    deadline = time.monotonic() + 30
    while all(process.poll() is None for process in started):
        assert time.monotonic() < deadline, "both run"
        time.sleep(0.02)
    (refused,) = [number for number, process in enumerate(started) if process.poll() is not None]
    assert "Address already in use" in started[refused].communicate()[1]
    assert not list(folders[refused].glob("*.sqlite3*"))
    read_until(started[1 - refused], "is listening on")


def test_a_variable_that_is_nearly_a_setting_is_warned_of(serve: Serve) -> None:
    process = serve(HOSTLER_LOG_FORMAT="json", HOSTLER_RESYNC_SECOND="7", HOSTLER_TOKEN="x")
    read_until(process, "is listening on")

    process.send_signal(signal.SIGTERM)
    _, log = process.communicate()

    told = [line for line in map(json.loads, log.splitlines()) if line["event"] == "setting.misspelt"]
    shown = [(line["level"], line["variable"], line["meant"]) for line in told]
    assert shown == [("warning", "HOSTLER_RESYNC_SECOND", "HOSTLER_RESYNC_SECONDS")]


def test_signing_keys_that_others_can_read_are_a_sentence(serve: Serve, settings: Settings) -> None:
    settings.make_state_dir()
    assert settings.signing_keys_file is not None
    settings.signing_keys_file.write_text("{}")
    settings.signing_keys_file.chmod(0o644)

    _, said = serve().communicate()

    assert "chmod 600" in said
    assert "Traceback" not in said


def test_a_killed_service_starts_again_with_its_sessions(serve: Serve) -> None:
    first = serve(HOSTLER_ADMIN_PASSWORD="an admin's password")
    url = read_until(first, r"is listening on (\S+)$")[1]
    form = {"username": "admin", "password": "an admin's password"}
    headers = {"Authorization": f"Bearer {httpx.post(f'{url}/api/auth/login', data=form).json()['access_token']}"}
    first.kill()
    first.communicate()

    url = read_until(serve(), r"is listening on (\S+)$")[1]

    assert httpx.get(f"{url}/api/auth/me", headers=headers).status_code == 200
