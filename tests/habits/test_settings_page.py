# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/settings.md is what the settings say of themselves."""

from __future__ import annotations

from pathlib import Path

from hostler.settings import Settings
from hostler.settings_reference import page


def test_the_page_of_settings_is_up_to_date(repo: Path) -> None:
    assert (repo / "docs/settings.md").read_text("utf-8") == page(), "run scripts/settings-page"


def test_the_page_has_every_setting_with_its_variable(repo: Path) -> None:
    written = (repo / "docs/settings.md").read_text("utf-8")

    for name in Settings.model_fields:
        assert f"### `{name}`\n\n`HOSTLER_{name.upper()}` · " in written
