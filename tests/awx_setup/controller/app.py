# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for AWX 24.6: its API on loopback, as far as the modules of awx.awx use it.

Where it differs from AWX, AWX is right: docs and source of AWX, not our playbooks, say what it has to answer.
"""

from __future__ import annotations

import base64
import json
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from tests.awx_setup.controller import job_events, surveys
from tests.awx_setup.controller.errors import RefusedError, refused
from tests.awx_setup.controller.faults import Fault
from tests.awx_setup.controller.filters import narrowed, page_of
from tests.awx_setup.controller.jobs import ENDPOINTS, UNFINISHED, Jobs
from tests.awx_setup.controller.kinds import KINDS, members_of
from tests.awx_setup.controller.rules import check
from tests.awx_setup.controller.store import Object, Store

PRODUCT = {"X-API-Product-Name": "AWX", "X-API-Product-Version": "24.6.1"}
WRITES = ("POST", "PUT", "PATCH", "DELETE")
DELETION_S = 3.0
"""For so long an inventory that was deleted is still there, as it is deleted in the background."""


@dataclass(frozen=True)
class Access:
    """Who may use the API: a token for everything, one that only reads, and a user with a password."""

    token: str = "a-token-for-everything"
    reading_token: str = "a-token-for-reading"
    username: str = "admin"
    password: str = "a-password"


def _bound(port: int) -> socket.socket:
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # there may be connections of the one before
    bound.bind(("127.0.0.1", port))
    return bound


class Controller:
    """The stand-in: started with ``with``, reached at ``url``. ``requests`` is every method and path it was asked."""

    def __init__(self, folder: Path) -> None:
        self.access = Access()
        self.store = Store(check)
        self.jobs = Jobs(self.store, folder)
        self.requests: list[tuple[str, str]] = []
        self.faults: list[Fault] = []
        self.before_launch: Callable[[], object] = lambda: None
        """Called when a launch has arrived: what others do in the moment before it."""
        self._tokens: dict[int, str] = {}
        self._doomed: list[tuple[float, Object]] = []
        self._socket = _bound(0)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        app = Starlette(routes=[Route("/{path:path}", self._answer, methods=["GET", "HEAD", *WRITES])])
        self._app = app

    def __enter__(self) -> Controller:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.jobs.close()

    def start(self) -> None:
        """Answer from now on; jobs go on meanwhile."""
        if self._socket.fileno() < 0:
            self._socket = _bound(int(self.url.rpartition(":")[2]))
        self._socket.listen()
        config = uvicorn.Config(
            self._app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=1
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=lambda: self._server.run(sockets=[self._socket]))
        self._thread.start()

    def stop(self) -> None:
        """Take no connection any more."""
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()

    async def _answer(self, request: Request) -> Response:
        body = await request.body()
        self.requests.append((request.method, request.url.path))
        fault = next((one for one in self.faults if one.takes(request)), None)
        if fault is not None and not fault.heard:
            return await fault.answer()
        answer = self._heard(request, body)
        return answer if fault is None else await fault.answer()

    def _heard(self, request: Request, body: bytes) -> Response:
        self._bury()
        try:
            answer = self._route(request, json.loads(body) if body else {})
        except RefusedError as error:
            answer = JSONResponse(error.body, error.status)
        except json.JSONDecodeError as error:
            answer = JSONResponse({"detail": f"JSON parse error - {error}"}, 400)
        answer.headers.update(PRODUCT)
        return answer

    def _route(self, request: Request, sent: Any) -> Response:
        parts = [part for part in request.url.path.split("/") if part]
        if parts == ["api"]:
            return JSONResponse({"current_version": "/api/v2/", "available_versions": {"v2": "/api/v2/"}})
        if parts[:2] != ["api", "v2"] or not request.url.path.endswith("/"):
            raise refused(404, "The requested resource could not be found.")
        rest = parts[2:]
        if not rest:
            return JSONResponse({kind: f"/api/v2/{kind}/" for kind in KINDS})
        if rest == ["ping"]:
            return JSONResponse({"version": PRODUCT["X-API-Product-Version"], "ha": False})
        if rest[0] == "tokens":
            return self._token(request, rest)
        self._authenticate(request)
        if rest == ["config"]:
            return JSONResponse({"version": PRODUCT["X-API-Product-Version"], "license_info": {"license_type": "open"}})
        if len(rest) > 1 and not rest[1].isdigit():
            raise refused(404, "Not found.")
        if rest[0] in ENDPOINTS.values():
            return self._job(request, self.jobs.get(rest[0], int(rest[1])), rest[2:])
        if rest[0] != "unified_job_templates" and rest[0] not in KINDS:
            raise refused(404, "The requested resource could not be found.")
        if len(rest) == 1:
            return self._list(request, rest[0], sent)
        return self._object(request, self.store.get(rest[0], int(rest[1])), rest[2:], sent)

    def _token(self, request: Request, rest: list[str]) -> Response:
        expected = base64.b64encode(f"{self.access.username}:{self.access.password}".encode()).decode()
        if request.headers.get("Authorization") != f"Basic {expected}":
            raise refused(401, "Invalid username/password.")
        if request.method == "POST" and len(rest) == 1:
            number = self.store.number()
            self._tokens[number] = f"a-token-of-{number}"
            return JSONResponse({"id": number, "token": self._tokens[number]}, 201)
        if request.method == "DELETE" and len(rest) == 2:
            del self._tokens[int(rest[1])]
            return Response(status_code=204)
        raise refused(405, f'Method "{request.method}" not allowed.')

    def _authenticate(self, request: Request) -> None:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if token not in {self.access.token, self.access.reading_token, *self._tokens.values()}:
            raise refused(
                401,
                "Authentication credentials were not provided. To establish a login session, visit /api/login/.",
            )
        if token == self.access.reading_token and request.method in WRITES:
            raise refused(403, "You do not have permission to perform this action.")

    def _list(self, request: Request, kind: str, sent: Any) -> Response:
        if request.method == "GET":
            return self._page(request, kind, self.store.all(kind))
        if request.method != "POST" or kind == "unified_job_templates":
            raise refused(405, f'Method "{request.method}" not allowed.')
        one = self.store.create(kind, sent)
        shown = self.store.shown(one)
        if kind == "projects" and one["scm_type"]:
            self._update(one, shown)
        return JSONResponse(shown, 201, headers={"Location": shown["url"]})

    def _page(self, request: Request, kind: str, objects: list[Object]) -> Response:
        query = list(request.query_params.multi_items())
        shown = [self.store.shown(one) for one in narrowed(self.store, kind, objects, query)]
        return JSONResponse(page_of(shown, request.url.path, query))

    def _update(self, project: Object, shown: dict[str, Any]) -> None:
        """Update a project that is new or has another source, as the controller does by itself."""
        job = self.jobs.update_project(project)
        shown["summary_fields"]["current_update"] = {key: job[key] for key in ("id", "status", "failed")}

    def _object(self, request: Request, one: Object, rest: list[str], sent: Any) -> Response:
        method = request.method
        if rest:
            return self._sub_resource(request, one, rest, sent)
        if method == "GET":
            return JSONResponse(self.store.shown(one))
        if method == "PATCH":
            before = {name: one.get(name) for name in ("scm_url", "scm_branch", "scm_type")}
            self.store.change(one, sent)
            shown = self.store.shown(one)
            if self.store.kind_of(one) == "projects" and any(one[name] != before[name] for name in before):
                self._update(one, shown)
            return JSONResponse(shown)
        if method == "DELETE":
            self._refuse_to_delete(one)
            if self.store.kind_of(one) == "inventories":
                one["pending_deletion"] = True
                self._doomed.append((time.monotonic() + DELETION_S, one))
                return Response(status_code=202)
            self.store.delete(one)
            return Response(status_code=204)
        raise refused(405, f'Method "{method}" not allowed.')

    def _bury(self) -> None:
        """Delete the inventories whose time has come: the controller does it in the background."""
        due = [one for when, one in self._doomed if when < time.monotonic()]
        self._doomed = [(when, one) for when, one in self._doomed if one not in due]
        for one in due:
            if one["id"] in self.store.objects["inventories"]:
                self.store.delete(one)

    def _refuse_to_delete(self, one: Object) -> None:
        kind = self.store.kind_of(one)
        if kind == "inventories" and one["pending_deletion"]:
            raise RefusedError(400, {"error": "Inventory is already pending deletion."})
        if kind == "credential_types" and any(
            credential["credential_type"] == one["id"] for credential in self.store.all("credentials")
        ):
            raise refused(403, "Credential types that are in use cannot be deleted")
        active = [
            job
            for job in self.jobs.jobs.values()
            if job["unified_job_template"] == one["id"] and job["status"] in UNFINISHED
        ]
        if active:
            raise RefusedError(409, {"error": "Resource is being used by running jobs.", "active_jobs": []})

    def _sub_resource(self, request: Request, one: Object, rest: list[str], sent: Any) -> Response:
        name, method = rest[0], request.method
        kind = self.store.kind_of(one)
        if name in one["many"] and method == "GET":
            members = [self.store.get(members_of(name), number) for number in one["many"][name]]
            return self._page(request, members_of(name), members)
        if name in one["many"] and method == "POST":
            self.store.associate(one, name, sent)
            return Response(status_code=204)
        if name == "survey_spec" and "survey_spec" in one:
            return self._survey(one, method, sent)
        if name == "jobs" and kind == "job_templates" and method == "GET":
            query = list(request.query_params.multi_items())
            return JSONResponse(page_of(self.jobs.of_template(one), request.url.path, query))
        if name == "launch" and kind == "job_templates" and method == "POST":
            self.before_launch()
            job = self.jobs.launch(one, sent)
            return JSONResponse(job | {"job": job["id"]}, 201)
        if name == "launch" and kind == "workflow_job_templates" and method == "POST":
            job = self.jobs.launch_workflow(one, sent)
            return JSONResponse(job | {"workflow_job": job["id"]}, 201)
        if name == "launch" and kind in ("job_templates", "workflow_job_templates") and method == "GET":
            asked = {key: value for key, value in one.items() if key.startswith("ask_")}
            return JSONResponse(asked | {"survey_enabled": one["survey_enabled"]})
        if name == "update" and kind == "projects" and method == "POST":
            return JSONResponse(self.jobs.update_project(one), 202)
        if name == "update" and kind == "inventory_sources" and method == "POST":
            job = self.jobs.update_inventory(one)
            return JSONResponse(job | {"inventory_update": job["id"]}, 202)
        raise refused(404, "Not found.")

    def _survey(self, one: Object, method: str, sent: Any) -> Response:
        if method == "POST":
            surveys.check_spec(sent)
            one["survey_spec"] = sent
        elif method == "DELETE":
            one["survey_spec"] = {}
        return JSONResponse(one["survey_spec"] if method == "GET" else {})

    def _job(self, request: Request, job: dict[str, Any], rest: list[str]) -> Response:
        method = request.method
        if not rest and method == "GET":
            return JSONResponse(job)
        if rest == ["cancel"]:
            if method == "POST":
                self.jobs.cancel(job)
                return JSONResponse({}, 202)
            return JSONResponse({"can_cancel": job["status"] in UNFINISHED})
        if rest == ["job_events"] and method == "GET":
            query = dict(request.query_params)
            is_over = job["event_processing_finished"]
            events = job_events.shown(self.jobs.events[job["id"]], query, is_over=is_over)
            return JSONResponse(page_of(events, request.url.path, list(query.items())))
        if rest == ["stdout"]:
            return PlainTextResponse("\n".join(event["stdout"] for event in self.jobs.events[job["id"]]))
        raise refused(404, "Not found.")
