# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the statistics tests: a service that reads every second, and has no host of its own accord."""

from __future__ import annotations

from pathlib import Path

import hypothesis
import pytest

from hostler.settings import Settings
from tests.service.conftest import ADMIN_PASSWORD
from tests.service.machines.lab_service import api, clean_host, server

# a loaded machine is slow, and no test is about time
hypothesis.settings.register_profile(
    "hostler-service", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("hostler-service")

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
