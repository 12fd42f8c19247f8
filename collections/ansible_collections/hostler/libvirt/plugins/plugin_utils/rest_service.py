# SPDX-License-Identifier: GPL-3.0-or-later
"""The Hostler service as a client sees it: what is asked by GET, and in one sentence why there is no answer."""

from __future__ import annotations

import json
import re
import ssl
from http.client import HTTPException
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urlsplit

from ansible.module_utils.urls import open_url

_PAGE = 100  # the most that the service gives at a time
_TOKEN = re.compile(r"[\x21-\x7e]+")
_URL = re.compile(r"https?://[\x21-\x7e]+")


class NoAnswer(Exception):
    """What was asked can't be told; the message is a sentence, without the token."""


class RestService:
    """A Hostler service at ``url``, asked in the name of ``token``.

    ``ca_cert`` is a file with the CAs that its certificate may be of, in place of those that the machine knows;
    ``insecure`` takes any certificate. A request may wait ``timeout`` seconds for each piece of its answer. Raises
    `NoAnswer` for what can't be.
    """

    def __init__(self, url: str, token: str, ca_cert: Optional[str], insecure: bool, timeout: int) -> None:
        if not url:
            raise NoAnswer("url: is needed, here or in the environment variable HOSTLER_URL")
        if not token:
            raise NoAnswer("token: is needed, here or in the environment variable HOSTLER_TOKEN")
        if not _is_url(url):
            raise NoAnswer("url: must be http:// or https:// and a host, with no user, no query and no fragment in it")
        if not _TOKEN.fullmatch(token):
            raise NoAnswer("token: must be visible ASCII characters, all on one line")
        self.url = url.rstrip("/")
        self._token = token
        self._ca_cert = _certificates(ca_cert) if ca_cert else None
        self._insecure = insecure
        self._timeout = timeout

    def vms(self, **wanted: Any) -> Iterator[Dict[str, Any]]:
        """All VMs that are ``wanted``, by the parameters of the service's list, in the order of their ids.

        Each page begins after the last id of the one before, so that none is lost, or comes twice, where VMs are made
        and deleted meanwhile.
        """
        last = 0
        while True:
            page = self._page("/api/vms", "vms", **wanted, after_id=last)
            vms = page["vms"]
            if vms and vms[0]["id"] <= last:
                raise NoAnswer(f"{self.url}: the service is too old: it does not know after_id, by which it is read on")
            yield from vms
            if not vms or page["total"] <= len(vms):
                return
            last = vms[-1]["id"]

    def servers(self) -> List[Dict[str, Any]]:
        """All servers: few, and hardly ever removed."""
        found: List[Dict[str, Any]] = []
        number = 1
        while True:
            page = self._page("/api/servers", "items", page=number)
            found += page["items"]
            if number >= page["total_pages"]:
                return found
            number += 1

    def _page(self, path: str, items: str, **query: Any) -> Dict[str, Any]:
        body = self._get(f"{path}?{urlencode({**query, 'per_page': _PAGE})}")
        try:
            page = json.loads(body)
            if {type(one) for one in page[items]} <= {dict} and page["total"] + page["total_pages"] >= 0:
                return dict(page)
        except (ValueError, TypeError, KeyError, RecursionError):
            pass
        raise NoAnswer(f"{self.url}: is no Hostler service: its answer is none")

    def _get(self, path: str) -> bytes:
        try:
            answer = open_url(
                self.url + path,
                headers={"Accept": "application/json", "Authorization": f"Bearer {self._token}"},
                http_agent="hostler.libvirt",
                timeout=self._timeout,
                validate_certs=not self._insecure,
                ca_path=self._ca_cert,
                follow_redirects="none",  # the token is for nobody else
                use_netrc=False,  # it would take the token's place
            )
            body: bytes = answer.read()
        except HTTPError as error:
            raise NoAnswer(f"{self.url}: {_meaning(error)}") from None
        except (OSError, HTTPException) as error:
            raise NoAnswer(f"{self.url}: {self._reason(error)}") from None
        return body

    def _reason(self, error: Exception) -> str:
        """Why there was no answer."""
        cause = error.reason if isinstance(error, URLError) and isinstance(error.reason, Exception) else error
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted ({cause.verify_message}); ca_cert names a file with the CA it is of"
        if isinstance(cause, ssl.SSLError):
            return f"it does not speak TLS as it should: {cause.reason or 'no reason is known'}"
        if isinstance(cause, TimeoutError):
            return f"no answer within {self._timeout} s"
        if isinstance(cause, HTTPException):
            return "is no Hostler service: it does not speak HTTP, or breaks off"
        return f"it can't be reached: {getattr(cause, 'strerror', None) or cause}"


def _certificates(file: str) -> Optional[str]:
    """The file, or None where it is empty: AWX makes such a one of what is left out of a credential."""
    try:
        if not Path(file).read_bytes().strip():
            return None
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=file)
    except OSError as error:
        reason = "it has no certificate" if isinstance(error, ssl.SSLError) else error.strerror
        raise NoAnswer(f"ca_cert: {file} can't be read: {reason}") from None
    return file


def _is_url(url: str) -> bool:
    if not _URL.fullmatch(url):
        return False
    try:
        parts = urlsplit(url)
        # a port that is none is an error as soon as somebody looks at it
        return bool(parts.hostname) and parts.port != 0 and "@" not in parts.netloc and not parts.query + parts.fragment
    except ValueError:
        return False


def _meaning(error: HTTPError) -> str:
    """What an answer other than 200 means."""
    if error.code == 401:
        return "the service does not accept the token"
    if error.code == 403:
        return "the token may not read VMs"
    if 300 <= error.code < 400:
        return f"it leads elsewhere (HTTP {error.code}); url has to be the service's own"
    try:
        detail = json.loads(error.read())["detail"]
    except (OSError, HTTPException, ValueError, TypeError, KeyError, RecursionError):
        return f"HTTP {error.code}, and not from a Hostler service"
    return f"HTTP {error.code}: {detail}"
