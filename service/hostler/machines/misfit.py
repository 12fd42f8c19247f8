# SPDX-License-Identifier: GPL-3.0-or-later
"""A request that is well formed, and asks for what can't be on that host or for that VM: 400, naming the field."""

from __future__ import annotations

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostlerError, InvalidSpec
from hostler.errors import BadRequest, FieldProblem


def bad_field(error: HostlerError) -> BadRequest:
    """The answer for the core's error: what is missing on the host, too small, too large or not to be had there."""
    problems = [FieldProblem(error.field, error.message)] if error.field else []
    if isinstance(error, InvalidSpec):
        problems = [FieldProblem(one.field, one.message) for one in error.errors]
    return BadRequest(error.message, code=error.code, errors=problems)
