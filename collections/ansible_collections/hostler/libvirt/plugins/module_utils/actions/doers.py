# SPDX-License-Identifier: GPL-3.0-or-later
"""What does an operation: observe, act, verify; and answer how it is put back, if it can be."""

from __future__ import annotations

from typing import Any, Callable, Mapping, Optional, Type

from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.operation import Operation

Undo = Callable[[], None]
Doer = Callable[[Hypervisor, Any], Optional[Undo]]
Doers = Mapping[Type[Operation], Doer]
