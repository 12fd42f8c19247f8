# SPDX-License-Identifier: GPL-3.0-or-later
"""AWX as the engine: playbooks run as jobs of its job templates, with the same outcome as beside the service.

The one place that knows AWX's API. What a job is about, and what becomes of its VM, is known elsewhere
(`hostler.machines.at_awx`).
"""

from hostler.awx.controller import Controller
from hostler.awx.errors import AwxError
from hostler.awx.launch import Launch
from hostler.awx.retelling import Retelling

__all__ = ["AwxError", "Controller", "Launch", "Retelling"]
