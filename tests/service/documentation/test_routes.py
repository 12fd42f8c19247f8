# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation page: whole without the internet, and with no script but ours."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest

from hostler.documentation import assets

pytestmark = pytest.mark.anyio


class Links(HTMLParser):
    """The addresses that a page names, and the scripts and styles that stand in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.inline: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.addresses += [given[name] or "" for name in ("src", "href") if name in given]
        if (tag == "script" and "src" not in given) or tag == "style" or any(name.startswith("on") for name in given):
            self.inline.append(tag)


async def test_the_page_and_all_that_it_loads_come_from_here(client: httpx.AsyncClient) -> None:
    page = await client.get("/docs")
    links = Links(page.text)

    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert links.inline == []
    assert len(links.addresses) == 5
    for address in links.addresses:
        assert not re.match(r"\w+:|/", address), f"{address} is not relative"
        answer = await client.get(f"/{address}")
        assert answer.status_code == 200, address
        assert answer.content, address


async def test_the_page_lets_nothing_in_but_its_own_files(client: httpx.AsyncClient) -> None:
    policy = dict(
        rule.strip().split(" ", 1) for rule in (await client.get("/docs")).headers["content-security-policy"].split(";")
    )

    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert policy["style-src"] == "'self'"
    assert policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert not any("http" in sources or "unsafe" in sources for sources in policy.values())


async def test_no_script_or_style_of_ours_names_another_host(client: httpx.AsyncClient) -> None:
    version = assets.version()
    start = (await client.get(f"/docs/{version}/start.js")).text
    style = (await client.get(f"/docs/{version}/swagger-ui.css")).text

    assert "//" not in re.sub(r"^\s*//.*$|, // .*$|; // .*$", "", start, flags=re.MULTILINE)
    assert re.findall(r"@import|url\((?!\"?data:)", style) == []
    assert "validatorUrl: null" in start  # without it the description is sent to a host on the internet


async def test_files_may_be_kept_for_ever_for_their_address_changes_with_them(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = assets.version()
    kept = await client.get(f"/docs/{before}/swagger-ui-bundle.js")
    changed = tmp_path / "start.js"
    changed.write_text("another")
    monkeypatch.setattr(assets, "ASSETS", {**assets.ASSETS, "start.js": (changed, "text/javascript")})
    assets.version.cache_clear()
    try:
        after = assets.version()
        gone = await client.get(f"/docs/{before}/swagger-ui-bundle.js")
    finally:
        assets.version.cache_clear()

    assert kept.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert kept.headers["content-type"].startswith("text/javascript")
    assert after != before
    assert gone.status_code == 404


@pytest.mark.parametrize("name", ["", "origin.json", "LICENSE", "..%2froutes.py", "../assets.py", "%2e%2e/assets.py"])
async def test_nothing_else_of_the_folder_is_served(client: httpx.AsyncClient, name: str) -> None:
    assert (await client.get(f"/docs/{assets.version()}/{name}")).status_code in (404, 405)


async def test_a_tree_that_was_not_built_says_so(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    missing = {name: (tmp_path / name, media_type) for name, (_, media_type) in assets.ASSETS.items()}
    monkeypatch.setattr(assets, "ASSETS", missing)
    assets.version.cache_clear()
    try:
        answer = await client.get("/docs")
        asset = await client.get("/docs/None/start.js")
    finally:
        assets.version.cache_clear()

    assert answer.status_code == 503
    assert "was not built" in answer.text
    assert "make setup" in answer.text
    assert asset.status_code == 404


async def test_the_licence_of_what_others_wrote_is_shipped_with_it() -> None:
    assert "Apache License" in (assets.FETCHED / "LICENSE").read_text()
    assert (assets.FETCHED / "NOTICE").read_text()
