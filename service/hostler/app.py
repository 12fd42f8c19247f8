# SPDX-License-Identifier: GPL-3.0-or-later
"""The service as an ASGI application: which routers it has, what runs as long as it runs, and in what order.

A room adds its router to `ROUTERS`. What it needs while the service runs it opens in `_open`, in the order that
things depend on each other, and puts into ``app.state``.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import AsyncIterator

import typer
from fastapi import FastAPI
from starlette.middleware import Middleware

from hostler import __version__, error_answers
from hostler.accounts import routes as account_routes
from hostler.accounts import users
from hostler.accounts.service import open_accounts
from hostler.audit import routes as audit_routes
from hostler.audit.denials import Denials
from hostler.audit.retention import forgetting as forgetting_audit
from hostler.body_limit import BodyLimit
from hostler.bulk import routes as bulk_routes
from hostler.credentials import routes as credential_routes
from hostler.database import Database
from hostler.documentation import openapi
from hostler.documentation import routes as documentation_routes
from hostler.drift import routes as drift_routes
from hostler.engine import Engine
from hostler.events import routes as event_routes
from hostler.events.retention import Retention, forgetting
from hostler.events.streams import Streams
from hostler.health import routes as health_routes
from hostler.hosts import routes as host_routes
from hostler.images import routes as image_routes
from hostler.jobs import accepted
from hostler.jobs import routes as job_routes
from hostler.machines import routes as machine_routes
from hostler.machines.orphans import looked_after
from hostler.machines.resumption import resuming
from hostler.machines.turns import queue_of
from hostler.metrics import routes as metrics_routes
from hostler.metrics.requests import RequestMeter
from hostler.request_context import RequestContext
from hostler.routing import Route, Router
from hostler.schedules import routes as schedule_routes
from hostler.schedules.clock import Clock
from hostler.sealed import warn_of_locked
from hostler.security_headers import SecurityHeaders
from hostler.settings import Settings
from hostler.statistics import routes as statistics_routes
from hostler.webhooks import routes as webhook_routes
from hostler.webhooks.couriers import Couriers

ROUTERS: tuple[Router, ...] = (
    # they are tried one after another: what is asked most comes first
    machine_routes.router,
    bulk_routes.router,
    drift_routes.router,
    health_routes.router,
    *account_routes.ROUTERS,
    host_routes.router,
    credential_routes.router,
    image_routes.router,
    job_routes.router,
    schedule_routes.router,
    event_routes.router,
    statistics_routes.router,
    webhook_routes.router,
    audit_routes.router,
    metrics_routes.router,
    documentation_routes.router,
)

LARGEST_BODY = 4 * 1024 * 1024
"""Most bytes of a request's body, beyond which it is 413; cloud-init's user-data is what may be large."""


@contextlib.asynccontextmanager
async def _open(app: FastAPI) -> AsyncIterator[None]:
    """Connect and start in the block everything that the service needs, and stop it in reverse."""
    settings: Settings = app.state.settings
    async with contextlib.AsyncExitStack() as stack:
        app.state.database = await stack.enter_async_context(Database(settings).for_service())
        app.state.denials = await stack.enter_async_context(Denials.running())
        app.state.accounts = await stack.enter_async_context(open_accounts(settings))
        await _greet_first_start(settings)
        engine = app.state.engine = await stack.enter_async_context(Engine.running(settings))
        app.state.sealer = engine.sealer
        await warn_of_locked(engine.sealer)
        await stack.enter_async_context(resuming(engine))
        await stack.enter_async_context(looked_after(engine))
        await stack.enter_async_context(Clock(settings).running())
        if settings.takes_jobs:
            await stack.enter_async_context(queue_of(engine).running())
        await stack.enter_async_context(forgetting(Retention.of(settings)))
        await stack.enter_async_context(forgetting_audit(settings.audit_retention_days))
        streams = app.state.streams = await stack.enter_async_context(Streams.running())
        app.state.couriers = await stack.enter_async_context(Couriers.running(settings, engine.sealer, streams.feed))
        yield


async def _greet_first_start(settings: Settings) -> None:
    """Make the first administrator of an empty database; a generated password is shown here, and nowhere else."""
    given = settings.admin_password
    generated = await users.make_first_administrator(given.get_secret_value() if given else None)
    if generated is not None:
        typer.echo(
            "This database is new. Its administrator is\n\n"
            f"    user      {users.FIRST_ADMINISTRATOR}\n"
            f"    password  {generated}\n\n"
            "The password is not shown again; 'hostler user password admin' sets another one.",
            file=sys.stdout,
        )
        sys.stdout.flush()


def create_app(settings: Settings) -> FastAPI:
    """Return the service; nothing is opened before its lifespan begins."""
    app = FastAPI(
        title="Hostler",
        summary="VM lifecycle automation for libvirt hosts",
        description=openapi.DESCRIPTION,
        version=__version__,
        openapi_tags=openapi.TAGS,
        license_info={"name": "GPL-3.0-or-later", "identifier": "GPL-3.0-or-later"},
        generate_unique_id_function=openapi.operation_id,
        lifespan=_open,
        responses=error_answers.RESPONSES,
        middleware=[
            Middleware(SecurityHeaders),
            Middleware(RequestMeter),
            Middleware(RequestContext),
            Middleware(BodyLimit, largest=LARGEST_BODY, but_for=[image_routes.UPLOAD]),
        ],
        # these would be routes without a stated permission; documentation.py has ours
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
    )
    app.state.settings = settings
    app.router.route_class = Route
    # it would lead to whatever the Host header says, by http behind a proxy, and clients take their token along
    app.router.redirect_slashes = False
    error_answers.install(app)
    accepted.install(app)
    for router in ROUTERS:
        app.include_router(router)
    openapi.install(app)
    return app
