# SPDX-License-Identifier: GPL-3.0-or-later
"""Tags in bodies: of servers, and of the VMs and servers that a placement asks for; a VM's own the core checks."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ansible_collections.hostler.libvirt.plugins.module_utils.spec import TAG_PATTERN

Tag = Annotated[str, Field(pattern=TAG_PATTERN)]
"""A tag: 1 to 63 letters, digits and ``. _ : / = -``, the first a letter or digit."""
