# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of the documentation page: ours, and Swagger UI's, which a build fetches (``hatch_build.py``)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from string import Template

HERE = Path(__file__).parent
FETCHED = HERE / "swagger-ui"
ASSETS: Mapping[str, tuple[Path, str]] = {
    "start.js": (HERE / "start.js", "text/javascript"),
    "swagger-ui-bundle.js": (FETCHED / "swagger-ui-bundle.js", "text/javascript"),
    "swagger-ui.css": (FETCHED / "swagger-ui.css", "text/css"),
    "favicon-32x32.png": (FETCHED / "favicon-32x32.png", "image/png"),
}
"""Name in the address → file and media type; nothing else is served."""


@cache
def version() -> str | None:
    """Return a name for the files as they are, None if the service runs from a tree that was not built.

    It stands in the files' addresses, so that browsers may keep them for ever, and take new ones at once.
    """
    digest = hashlib.sha256()
    try:
        for file, _ in ASSETS.values():
            digest.update(file.read_bytes())
    except OSError:
        return None
    return digest.hexdigest()[:16]


def page() -> str | None:
    """Return the page, None without its files."""
    found = version()
    return None if found is None else Template((HERE / "page.html").read_text("utf-8")).substitute(version=found)


def apology() -> str:
    """Return the page that stands in for one whose files are missing."""
    return (HERE / "not-built.html").read_text("utf-8")
