# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the tests of actions on many VMs."""

from tests.service.machines.lab_service import api, clean_host, server, settings

__all__ = ["api", "clean_host", "server", "settings"]
