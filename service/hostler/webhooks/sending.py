# SPDX-License-Identifier: GPL-3.0-or-later
"""Sending one message once, and saying what came back; whatever the receiver does, it takes no longer than it may.

Every try has a connection of its own, to an address that was just looked at: see `hostler.webhooks.address`. No proxy
of the environment's is used, for nobody could tell where that one connects to. No redirect is followed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import time
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx

from hostler import __version__
from hostler.sealing import SealBroken, Sealer
from hostler.settings import Settings
from hostler.webhooks.address import Address, NotAllowed, host_of, may_be_reached, resolved
from hostler.webhooks.message import Message
from hostler.webhooks.models import Webhook
from hostler.webhooks.signature import signed_headers

MOST_OF_A_BODY = 4096
"""Bytes that are read of a receiver's answer."""
CONNECT_SECONDS = 5.0
LONGEST_RETRY_AFTER = 3600

_LOOKUPS = 8  # a name server that does not answer may hold up webhooks, and nothing else
_ADDRESSES = 3  # of a name with more, those are left out
_ABSENT = frozenset({408, 425, 429, 502, 503, 504})
_GONE = 410


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one try. Without a ``status`` there was no answer; ``error`` says in a sentence what was wrong."""

    status: int | None = None
    error: str | None = None
    body: bytes = b""
    seconds: float = 0.0
    retry_after: int = 0
    """Seconds that the receiver asks for; 0 where it does not."""

    @property
    def is_delivered(self) -> bool:
        """Whether the receiver has it."""
        return self.error is None

    @property
    def is_refusal(self) -> bool:
        """Whether the receiver is there, and does not want this; else it, or the way to it, is out of order."""
        return self.error is not None and self.status is not None and self.status not in _ABSENT

    @property
    def says_gone(self) -> bool:
        """Whether the receiver wants nothing any more."""
        return self.status == _GONE


class Sender:
    """Sends messages to webhooks."""

    def __init__(
        self, sealer: Sealer, client: httpx.AsyncClient, lookups: ThreadPoolExecutor, settings: Settings
    ) -> None:
        self._sealer = sealer
        self._client = client
        self._lookups = lookups
        self._allowed: Collection[str] = settings.webhook_destinations
        self.seconds = settings.webhook_timeout_seconds
        """The longest that a try takes."""

    @classmethod
    @contextlib.asynccontextmanager
    async def opened(cls, settings: Settings, sealer: Sealer) -> AsyncIterator[Sender]:
        """Make one for the block."""
        seconds = settings.webhook_timeout_seconds
        lookups = ThreadPoolExecutor(_LOOKUPS, thread_name_prefix="hostler-webhook-names")
        client = httpx.AsyncClient(
            verify=ssl.create_default_context(),  # the system's authorities, and with them a site's own
            trust_env=False,
            follow_redirects=False,
            timeout=httpx.Timeout(seconds, connect=min(CONNECT_SECONDS, seconds)),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
        )
        try:
            async with client:
                yield cls(sealer, client, lookups, settings)
        finally:
            lookups.shutdown(wait=False, cancel_futures=True)

    async def send(self, webhook: Webhook, message: Message) -> Answer:
        """Sign the message and send it; raises nothing that a receiver could cause."""
        begun = time.monotonic()
        try:
            headers = signed_headers(self._keys(webhook), message.id, int(time.time()), message.body)
            async with asyncio.timeout(self.seconds):
                answer = await self._try_addresses(httpx.URL(webhook.url), headers, message.body)
        except httpx.ConnectTimeout:
            answer = Answer(error="The receiver did not take the connection in time")
        except (TimeoutError, httpx.TimeoutException):
            answer = Answer(error=f"The receiver did not answer within {self.seconds} s")
        except NotAllowed as error:
            answer = Answer(error=str(error))
        except (SealBroken, socket.gaierror, httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            answer = Answer(error=_sentence(error))
        return Answer(answer.status, answer.error, answer.body, time.monotonic() - begun, answer.retry_after)

    def _keys(self, webhook: Webhook) -> list[str]:
        keys = [self._sealer.open(webhook.secret)]
        if webhook.old_secret and webhook.old_secret_until and datetime.now(UTC) < webhook.old_secret_until:
            # a receiver that still has the old one hears no less if that can't be opened than if nothing were sent
            with contextlib.suppress(SealBroken):
                keys.append(self._sealer.open(webhook.old_secret))
        return keys

    async def _try_addresses(self, url: httpx.URL, headers: dict[str, str], body: bytes) -> Answer:
        port = url.port or {"http": 80, "https": 443}[url.scheme]
        loop = asyncio.get_running_loop()
        addresses = await loop.run_in_executor(self._lookups, resolved, host_of(url), port)
        *others, last = _allowed(addresses, self._allowed)[:_ADDRESSES]
        for address in others:
            with contextlib.suppress(httpx.ConnectError, httpx.ConnectTimeout):
                return await self._try(url, address, headers, body)
        return await self._try(url, last, headers, body)

    async def _try(self, url: httpx.URL, address: Address, headers: dict[str, str], body: bytes) -> Answer:
        request = self._client.build_request(
            "POST",
            url.copy_with(host=str(address)),
            content=body,
            headers={
                "Host": url.netloc.decode("ascii"),
                "Content-Type": "application/json",
                "User-Agent": f"hostler/{__version__}",
                "Accept-Encoding": "identity",
                "Connection": "close",
                **headers,
            },
            # whose certificate it has to be
            extensions={} if str(address) == host_of(url) else {"sni_hostname": host_of(url)},
        )
        response = await self._client.send(request, stream=True)
        try:
            begun = await _beginning(response)
        finally:
            await response.aclose()
        error = None if response.is_success else f"The receiver answered {response.status_code}"
        return Answer(response.status_code, error, begun, retry_after=_retry_after(response))


def _allowed(addresses: Sequence[Address], allowed: Collection[str]) -> Sequence[Address]:
    """Those of the addresses that may be connected to; raises `NotAllowed` where that is none."""
    found = [address for address in addresses if may_be_reached(address, allowed)]
    if not found:
        raise NotAllowed(addresses[0])
    return found


async def _beginning(response: httpx.Response) -> bytes:
    found = b""
    async for chunk in response.aiter_raw(MOST_OF_A_BODY):
        found += chunk
        if len(found) >= MOST_OF_A_BODY:
            break
    return found[:MOST_OF_A_BODY]


def _retry_after(response: httpx.Response) -> int:
    value = response.headers.get("retry-after", "")
    # the other form, a date, depends on both clocks
    return min(int(value), LONGEST_RETRY_AFTER) if value.isascii() and value.isdigit() and len(value) < 9 else 0


def _sentence(error: Exception) -> str:
    """What was wrong, without a word of the receiver's."""
    for cause in _causes(error):
        if isinstance(cause, SealBroken):
            return "The secret of this webhook can't be opened: the sealing key is another one"
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"The certificate of the receiver is not good: {cause.verify_message}"
        if isinstance(cause, ssl.SSLError):
            return "The receiver does not speak TLS as it should"
        if isinstance(cause, socket.gaierror):
            return "The name of the receiver can't be resolved"
        if isinstance(cause, OSError) and cause.errno:
            return f"The receiver can't be reached: {os.strerror(cause.errno)}"
    if isinstance(error, (httpx.ProtocolError, httpx.InvalidURL)):
        return "The receiver did not answer as HTTP does"
    return "The connection to the receiver broke"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error, and what it came of."""
    while error is not None:
        yield error
        if isinstance(error, BaseExceptionGroup):
            yield from error.exceptions
        error = error.__cause__ or error.__context__
