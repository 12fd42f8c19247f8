# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation page in a real browser, where there is one: it shows the API, and its Authorize button works."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.service.conftest import ADMIN_PASSWORD
from tests.service.documentation.browser import PROGRAM, Page
from tests.service.serving import Serve, read_until

pytestmark = [pytest.mark.slow, pytest.mark.skipif(PROGRAM is None, reason="there is no Chromium")]

TYPE = """
(name, text) => {
  const field = document.querySelector(name);
  Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value").set.call(field, text);
  field.dispatchEvent(new Event("input", { bubbles: true }));
  field.dispatchEvent(new Event("change", { bubbles: true }));
}
"""
"""Types into one of React's fields, which look at events rather than at values."""


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    page = Page(tmp_path / "profile")
    yield page
    page.close()


def test_the_page_logs_in_and_calls_the_api_and_asks_no_other_host(serve: Serve, page: Page) -> None:
    url = read_until(serve(HOSTLER_ADMIN_PASSWORD=ADMIN_PASSWORD), r"is listening on (\S+)$")[1]
    page.open(f"{url}/docs")
    page.wait_for("document.querySelectorAll('.opblock').length > 20")

    page.run("document.querySelector('.btn.authorize').click()")
    page.wait_for("document.querySelector('#oauth_username') !== null")
    for field, text in (("#oauth_username", "admin"), ("#oauth_password", ADMIN_PASSWORD)):
        page.run(f"({TYPE})({json.dumps(field)}, {json.dumps(text)})")
    page.run("document.querySelector('.auth-btn-wrapper .authorize').click()")
    page.wait_for("document.querySelector('.auth-container').innerText.includes('Authorized')")
    page.run("document.querySelector('.auth-btn-wrapper .btn-done').click()")
    page.run("document.querySelector('#operations-auth-auth_me .opblock-summary-control').click()")
    page.wait_for("document.querySelector('#operations-auth-auth_me .try-out__btn') !== null")
    page.run("document.querySelector('#operations-auth-auth_me .try-out__btn').click()")
    page.wait_for("document.querySelector('#operations-auth-auth_me .execute') !== null")
    page.run("document.querySelector('#operations-auth-auth_me .execute').click()")
    answer = page.wait_for("document.querySelector('#operations-auth-auth_me .live-responses-table')?.innerText")

    assert "200" in answer
    assert '"username": "admin"' in answer
    assert page.complaints == []
    asked = {f"{parts.scheme}://{parts.netloc}" for parts in map(urlsplit, page.requests) if parts.scheme != "data"}
    assert asked == {url}
    assert page.run("Object.keys(localStorage).length + Object.keys(sessionStorage).length") == 0
