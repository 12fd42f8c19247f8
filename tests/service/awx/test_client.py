# SPDX-License-Identifier: GPL-3.0-or-later
"""Where requests go, with which token, whose certificate is believed, and what is tried again."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from hostler.awx.client import Client
from hostler.awx.errors import AwxFailed, AwxUnauthorized, AwxUnreachable
from hostler.settings import Settings
from lab.authority import CA_CERTIFICATE, Authority

pytestmark = pytest.mark.anyio


class Server(HTTPServer):
    """Keeps what it is asked and answers with the next of ``statuses``, then with 200."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, str]] = []
        self.statuses: list[int] = []


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers["Authorization"]))
        self.send_response(self.server.statuses.pop(0) if self.server.statuses else 200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def client_of(server: Server, **settings: object) -> Client:
    known: dict[str, object] = {"awx_url": f"http://127.0.0.1:{server.server_port}", **settings}
    return Client(
        Settings.model_validate({"awx_token": "a-token", **known} if "awx_token_file" not in known else known)
    )


@pytest.mark.parametrize(
    ("path", "asked"), [("", "/api/v2/jobs/7/"), ("/api/controller", "/api/controller/v2/jobs/7/")]
)
async def test_the_api_is_below_the_address(server: Server, clean_environment: None, path: str, asked: str) -> None:
    client = client_of(server, awx_url=f"http://127.0.0.1:{server.server_port}{path}")
    await client.get("jobs/7/")
    await client.close()

    assert server.asked == [(asked, "Bearer a-token")]


async def test_a_token_s_file_is_read_each_time(server: Server, clean_environment: None, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("first\n")
    client = client_of(server, awx_token_file=file)
    await client.get("jobs/7/")
    file.write_text("second\n")
    await client.get("jobs/7/")
    file.unlink()
    with pytest.raises(AwxUnauthorized, match="can't be read"):
        await client.get("jobs/7/")
    await client.close()

    assert [token for _, token in server.asked] == ["Bearer first", "Bearer second"]


async def test_what_changes_nothing_is_tried_again_and_all_else_is_not(server: Server, clean_environment: None) -> None:
    client = client_of(server)
    server.statuses = [502, 429]
    await client.get("jobs/7/")
    assert len(server.asked) == 3
    server.statuses = [502]
    with pytest.raises(AwxFailed, match="AWX answered 502"):
        await client.post("job_templates/7/launch/", {})
    assert len(server.asked) == 4
    await client.close()


async def test_only_a_certificate_of_the_authority_is_believed(
    server: Server, clean_environment: None, tmp_path: Path
) -> None:
    folder = tmp_path / "server"
    Authority(tmp_path / "authority").issue_server(folder, "awx.test", "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "servercert.pem", folder / "serverkey.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    url = f"https://127.0.0.1:{server.server_port}"

    stranger = client_of(server, awx_url=url)
    with pytest.raises(AwxUnreachable, match="its certificate is not good"):
        await stranger.get("jobs/7/")
    await stranger.close()
    known = client_of(server, awx_url=url, awx_verify=folder / CA_CERTIFICATE)
    await known.get("jobs/7/")
    await known.close()

    assert len(server.asked) == 1
