# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that several modules have, as argument specs, and what is made of their values."""

from __future__ import annotations

import os
from typing import Any, Dict, Mapping, Optional, Tuple

from ansible_collections.hostler.libvirt.plugins.module_utils.selection import OneMachine, Selection

CONNECTION_OPTIONS: Dict[str, Any] = dict(uri=dict(type="str"))

# named as in `Selection`
SELECTION_OPTIONS: Dict[str, Any] = dict(
    name=dict(type="list", elements="str"),
    uuid=dict(type="list", elements="str"),
    pattern=dict(type="list", elements="str"),
)

# which VM's device it is, named as in `OneMachine`, and when it may be changed
DEVICE_OPTIONS: Dict[str, Any] = dict(
    name=dict(type="str"),
    uuid=dict(type="str"),
    live=dict(type="bool", default=False),
)


def host_uri(params: Mapping[str, Any]) -> Optional[str]:
    """The URI of the host: the option's, else the environment's; None where both are empty, for libvirt's default."""
    return params["uri"] or os.environ.get("LIBVIRT_DEFAULT_URI") or None


def selection_from(params: Mapping[str, Any]) -> Selection:
    """Which VMs the options mean."""
    given: Dict[str, Optional[Tuple[str, ...]]] = {
        option: None if params[option] is None else tuple(params[option]) for option in SELECTION_OPTIONS
    }
    return Selection(**given)


def one_from(params: Mapping[str, Any]) -> OneMachine:
    """Which VM the options mean."""
    return OneMachine(params["name"], params["uuid"])
