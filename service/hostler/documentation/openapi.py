# SPDX-License-Identifier: GPL-3.0-or-later
"""The OpenAPI description: FastAPI makes it of the routes; here is what the routes can't say."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts

from hostler.routing import stated_access

DESCRIPTION = """
VMs on any number of libvirt hosts: made, changed and watched over one API.

**Authorize** takes a user name and a password (the other fields stay empty); programs send an API token as
`Authorization: Bearer …`. Reading asks for the permission `read`, writing VMs for `write`, users, servers,
webhooks and the audit for `admin`.

Every error is `{"detail": "…"}` with one English sentence, and beside it `code` for programs, `errors` for each wrong
field, and `request_id`, under which the service's log tells more. Sizes of memory are MiB, of disks GiB; times are UTC.
"""

TAGS = [
    {"name": "auth", "description": "Logging in and out; who one is."},
    {"name": "users", "description": "Who may log in, and what they may do. For administrators."},
    {"name": "tokens", "description": "API tokens: credentials for programs, with fewer permissions than their owner."},
    {
        "name": "servers",
        "description": "The hypervisors: how their libvirt is reached, what was last seen of them.",
    },
    {
        "name": "credentials",
        "description": "What servers are reached with: SSH keys, TLS certificates. For administrators.",
    },
    {"name": "vms", "description": "The virtual machines, also those that others made."},
    {"name": "images", "description": "Base images: volumes of a server's image pool that disks are made from."},
    {"name": "jobs", "description": "Every write that was asked for: its steps, its log, and what became of it."},
    {"name": "schedules", "description": "What is done to VMs at a time, or again and again."},
    {"name": "events", "description": "What changed, as it changes: server-sent events."},
    {"name": "statistics", "description": "What servers and VMs use, now and over the last day."},
    {"name": "webhooks", "description": "What changed, sent as signed requests. For administrators."},
    {"name": "audit", "description": "Who did what, and what was denied, chained by hash. For administrators."},
    {"name": "health", "description": "For whoever restarts the service, or sends it requests."},
    {"name": "metrics", "description": "For Prometheus."},
]
"""In the order of the page."""

SCOPES = {
    "read": "See everything but users and others' tokens",
    "write": "Create, change and delete VMs",
    "admin": "Users, everybody's tokens, servers, webhooks, the audit",
}


def operation_id(route: APIRoute) -> str:
    """Name an operation for those who make clients from the description: ``vms_create_vm``."""
    return "_".join([*(str(tag) for tag in route.tags[:1]), route.name])


def install(app: FastAPI) -> None:
    """Have ``app`` describe itself with what is said here."""
    describe = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            _complete(app, describe())
        return describe()

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's own way to change it


def _complete(app: FastAPI, description: dict[str, Any]) -> None:
    scheme = description["components"]["securitySchemes"]["login"]
    scheme["description"] = (
        "An access token of POST /api/auth/login, or an API token of POST /api/tokens. A login asks for no scopes: it "
        "has the permissions of its user."
    )
    scheme["flows"]["password"]["scopes"] = SCOPES
    for context in iter_route_contexts(app.routes):
        route = context.original_route
        if not isinstance(route, APIRoute):
            continue
        access = stated_access(route.dependant)
        if access is not None and access.free_nearby:
            for method in context.methods or ():
                operation = description["paths"][context.path][method.lower()]
                operation["security"] = [*operation["security"], {}]  # {}: none is fine, too
