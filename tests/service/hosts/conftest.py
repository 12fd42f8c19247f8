# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the server tests."""

from tests.service.machines.lab_service import api, clean_host, server, settings
from tests.service.machines.node import connection, node

__all__ = ["api", "clean_host", "connection", "node", "server", "settings"]
