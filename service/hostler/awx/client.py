# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking AWX's API: one request, with a bound on its time, and what is wrong as one of our errors.

No proxy of the environment's is used and no redirect followed: the token goes where the setting says, and nowhere else.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx
import structlog

from hostler import __version__
from hostler.awx.errors import (
    AwxBadAnswer,
    AwxError,
    AwxFailed,
    AwxForbidden,
    AwxNotFound,
    AwxRefused,
    AwxTimeout,
    AwxUnauthorized,
    AwxUnreachable,
    NotSent,
)
from hostler.awx.shape import json_of
from hostler.settings import Settings

log = structlog.get_logger(__name__)

LARGEST_ANSWER = 64 * 1024 * 1024
"""Bytes of an answer: a page of job events may have some hundred results of up to 700 kB in all."""

_TRIES = 3  # of a request that changes nothing, where the error may pass
_PAUSE_SECONDS = 0.3
_CONNECT_SECONDS = 5.0

Answer = Mapping[str, Any]


class Client:
    """Requests to the controller that the settings name, by paths below ``v2``: ``jobs/47/``."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._seconds = settings.awx_timeout_seconds
        path = "" if urlsplit(settings.awx_url).path else "/api"
        self._http = httpx.AsyncClient(
            base_url=f"{settings.awx_url}{path}/v2/",
            verify=ssl.create_default_context(cafile=settings.awx_verify),
            trust_env=False,
            follow_redirects=False,
            timeout=httpx.Timeout(self._seconds, connect=min(_CONNECT_SECONDS, self._seconds)),
            headers={"User-Agent": f"hostler/{__version__}", "Accept": "application/json"},
        )

    async def get(self, path: str, **query: str | int) -> Answer:
        """What is there; tried a few times where that may help."""
        for _ in range(_TRIES - 1):
            try:
                return await self._ask("GET", path, query=query)
            except AwxError as error:
                if not error.passes or isinstance(error, AwxTimeout):
                    raise
            await asyncio.sleep(_PAUSE_SECONDS)
        return await self._ask("GET", path, query=query)

    async def post(self, path: str, body: Mapping[str, Any]) -> Answer:
        """Do it, once, whatever comes of it."""
        return await self._ask("POST", path, body=body)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, str | int] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> Answer:
        headers = {"Authorization": f"Bearer {self._token()}"}
        try:
            async with asyncio.timeout(self._seconds):
                async with self._http.stream(method, path, params=query, json=body, headers=headers) as response:
                    content = await _content(response)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise AwxUnreachable(f"AWX can't be reached: {_why(error)}") from NotSent()
        except (TimeoutError, httpx.TimeoutException):
            raise AwxTimeout(f"AWX did not answer within {self._seconds} s") from None
        except (httpx.HTTPError, OSError) as error:
            raise AwxUnreachable(f"The connection to AWX broke: {_why(error)}") from None
        log.debug("awx.answered", method=method, path=path, status=response.status_code)
        return _read(response, content)

    def _token(self) -> str:
        """The token; raises `AwxUnauthorized` where its file can't be read."""
        if self._settings.awx_token is not None:
            return self._settings.awx_token.get_secret_value().strip()
        assert self._settings.awx_token_file is not None  # noqa: S101 - the settings see to it
        try:
            token = self._settings.awx_token_file.read_text("ascii").strip()
        except (OSError, UnicodeDecodeError):
            token = ""
        if not token or not token.isprintable() or " " in token:
            raise AwxUnauthorized("The file with the token for AWX can't be read, or has none")
        return token


async def _content(response: httpx.Response) -> bytearray:
    content = bytearray()
    async for chunk in response.aiter_bytes():
        content.extend(chunk)
        if len(content) > LARGEST_ANSWER:
            raise AwxBadAnswer("AWX's answer is too large")
    return content


def _read(response: httpx.Response, content: bytearray) -> Answer:
    """The answer's body; raises what its status says."""
    status = response.status_code
    if status == httpx.codes.UNAUTHORIZED:
        raise AwxUnauthorized("AWX does not accept the service's token")
    if status == httpx.codes.FORBIDDEN:
        raise AwxForbidden("AWX does not permit this to the user of the service's token")
    if status == httpx.codes.NOT_FOUND:
        raise AwxNotFound("AWX does not have what it was asked for")
    if status == httpx.codes.TOO_MANY_REQUESTS or status >= httpx.codes.INTERNAL_SERVER_ERROR:
        raise AwxFailed(f"AWX answered {status}")
    if response.is_redirect:
        raise AwxBadAnswer(f"AWX's address leads elsewhere ({status}); awx_url is not its own")
    body = _json(response, content)
    if status == httpx.codes.METHOD_NOT_ALLOWED:
        raise MethodNotAllowed("AWX does not do that now")
    if response.is_client_error:
        raise AwxRefusedFully(body, status)
    return body


def _json(response: httpx.Response, content: bytearray) -> Answer:
    if not content and response.is_success:
        return {}
    try:
        body = json_of(content)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        if response.is_client_error:
            return {}
        raise AwxBadAnswer(f"What answers at awx_url is not AWX's API (status {response.status_code}, no JSON object)")
    return body


class MethodNotAllowed(AwxRefused):
    """405: of a cancel, that the job has ended."""


class AwxRefusedFully(AwxRefused):
    """400 and its like, with what AWX says is wrong: for whoever knows which of it may be shown."""

    def __init__(self, body: Answer, status: int) -> None:
        super().__init__(f"AWX refused the request ({status})")
        self.body = body


def _why(error: BaseException) -> str:
    """What was wrong with a connection, without addresses."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not good ({cause.verify_message})"
        if isinstance(cause, ssl.SSLError):
            return "it does not speak TLS as it should"
        if isinstance(cause, ConnectionRefusedError):
            return "nobody listens there"
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx.ConnectTimeout | httpx.PoolTimeout):
        return "it did not take the connection in time"
    return "it was closed too early" if isinstance(error, httpx.RemoteProtocolError) else "there is no way to it"
