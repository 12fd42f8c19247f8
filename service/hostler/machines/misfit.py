# SPDX-License-Identifier: GPL-3.0-or-later
"""A request that is well formed, and asks for what can't be on that host or for that VM: 400, 409, naming the field."""

from __future__ import annotations

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostlerError
from hostler.errors import BadRequest, Conflict, FieldProblem, problems_of
from hostler.hosts.models import Server


def bad_field(error: HostlerError) -> BadRequest:
    """The answer for the core's error: what is missing on the host, too small, too large or not to be had there."""
    return BadRequest(error.message, code=error.code, errors=problems_of(error))


def name_taken(name: str, server: Server) -> Conflict:
    """The answer where another VM of the server has that name."""
    message = f"A VM named '{name}' already exists on host '{server.hostname}'"
    return Conflict(message, code="name_taken", errors=[FieldProblem("name", message)])


def require_not_draining(server: Server) -> None:
    """Raise `Conflict` for a server on which no VM is made any more."""
    if server.draining:
        message = f"Server '{server.hostname}' is draining: no VM is made there"
        raise Conflict(message, code="server_draining", errors=[FieldProblem("server_id", message)])
