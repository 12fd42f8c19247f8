# SPDX-License-Identifier: GPL-3.0-or-later
"""The example of docs/streams.md in a real browser, where there is one: it follows, and goes on after a restart."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from lab.cache import REPOSITORY
from tests.service.conftest import ADMIN_PASSWORD
from tests.service.documentation.browser import PROGRAM, Page
from tests.service.serving import Serve, read_until, serve

__all__ = ["serve"]

pytestmark = [pytest.mark.slow, pytest.mark.skipif(PROGRAM is None, reason="there is no Chromium")]


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    page = Page(tmp_path / "profile")
    yield page
    page.close()


def test_the_example_follows_and_goes_on_where_it_left_off(serve: Serve, page: Page) -> None:
    (example,) = re.findall(r"```js\n(.*?)```", (REPOSITORY / "docs/streams.md").read_text("utf-8"), re.DOTALL)
    example = example.replace('["vm.created", "vm.changed", "vm.deleted"]', '["server.created", "server.changed"]')
    process = serve(HOSTLER_ADMIN_PASSWORD=ADMIN_PASSWORD)
    url = read_until(process, r"is listening on (\S+)$")[1]
    form = {"username": "admin", "password": ADMIN_PASSWORD}
    token = httpx.post(f"{url}/api/auth/login", data=form).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    server = {"hostname": "quiet", "libvirt_uri": "qemu+tls://192.0.2.9/system", "enabled": False}

    page.open(f"{url}/docs")
    page.wait_for("location.pathname === '/docs' && document.readyState === 'complete'")
    page.run(
        f"{example}\nwindow.told = [];"
        f"const note = (kind, data) => window.told.push([kind, data.hostname ?? '']);"
        f"follow(async () => {json.dumps(token)}, note, note)"
    )
    page.wait_for("told.length === 1")
    assert httpx.post(f"{url}/api/servers", json=server, headers=headers).status_code == 201
    page.wait_for("told.length === 2")

    process.terminate()
    process.wait(20)
    again = serve("--port", url.rpartition(":")[2])
    read_until(again, r"is listening on (\S+)$")
    changed = httpx.put(f"{url}/api/servers/1", json={"hostname": "renamed"}, headers=headers)
    assert changed.status_code == 200
    page.wait_for("told.length === 3")

    assert page.run("told") == [["begin", ""], ["server.created", "quiet"], ["server.changed", "renamed"]]
    assert all(token not in address for address in page.requests)
