# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the statistics tests: a service that reads every second, and has no host of its own accord."""

from __future__ import annotations

from pathlib import Path

import pytest

from hostler.settings import Settings
from tests.service.conftest import ADMIN_PASSWORD
from tests.service.machines.lab_service import api, clean_host, server

__all__ = ["api", "clean_host", "server", "settings"]


@pytest.fixture
def settings(clean_environment: None, tmp_path: Path, database_url: str) -> Settings:
    """Settings with which no playbook is needed, and nobody has to wait for figures."""
    return Settings(
        state_dir=tmp_path / "state",
        database_url=database_url,
        admin_password=ADMIN_PASSWORD,
        dispatch={"vm_create": "direct", "vm_resize": "direct"},
        warm_start=False,
        shutdown_seconds=5,
        statistics_seconds=1,
    )
