# SPDX-License-Identifier: GPL-3.0-or-later
"""Where an image comes from: a file of this machine, or a web server."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import ssl
import time
import urllib.error
import urllib.request
from contextlib import closing
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any, Dict, Iterator, Optional
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from ansible_collections.hostler.libvirt.plugins.module_utils.digests import Digests
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import FieldError, InvalidSpec, OperationFailed

_PIECE_BYTES = 262120  # of which one of libvirt's messages carries one: it is passed on as it is read
_MOST_LIST_BYTES = 4 * 1024 * 1024
_WEB = ("http", "https")
SCHEMES = (*_WEB, "file")

# lines of a list of checksums, as GNU coreutils and BSD write them
_LINES = (
    re.compile(r"^(?P<digest>[0-9A-Fa-f]+) [ *](?P<name>.+)$"),
    re.compile(r"^[A-Z0-9]+ \((?P<name>.+)\) = (?P<digest>[0-9A-Fa-f]+)$"),
)


@dataclass(frozen=True)
class ImageSource:
    """One of ``path`` and ``url`` (http, https); ``timeout`` is how many seconds a server may be silent."""

    path: Optional[str] = None
    url: Optional[str] = field(default=None, repr=False)
    username: Optional[str] = None
    password: Optional[str] = field(default=None, repr=False)
    validate_certs: bool = True
    timeout: float = 30

    @property
    def option(self) -> str:
        """The option that names it."""
        return "path" if self.url is None else "url"

    @property
    def shown(self) -> str:
        """What it is called for people, without what may be secret in it."""
        return str(self.path) if self.url is None else _shown(self.url)

    @property
    def file_name(self) -> str:
        """What the file is called where it comes from."""
        whole = str(self.path) if self.url is None else unquote(urlsplit(self.url).path)
        return whole.rpartition("/")[2]

    @property
    def fingerprint(self) -> str:
        """By which the same source is known again; nobody can read an address out of it."""
        return hashlib.sha256(f"{self.option} {self.url or self.path}".encode()).hexdigest()

    def stamp(self) -> Optional[Dict[str, Any]]:
        """What changes when its content does, without reading that; None where nothing says so.

        Raises `InvalidSpec` for a file that is not there, `OperationFailed` for a server that does not answer.
        """
        if self.url is None:
            return _of_file(self._file().stat())
        try:
            with closing(self._request(self.url, "HEAD")) as answer:
                headers = answer.headers
        except _Refused as error:
            if error.status in (403, 405, 501):
                return None  # it answers no such question
            raise
        return _of_headers(headers)

    def open(self) -> OpenSource:
        """Begin to read it. Raises what `stamp` does."""
        if self.url is None:
            file = self._file().open("rb", buffering=0)
            status = os.fstat(file.fileno())
            return OpenSource(self, file, status.st_size, _of_file(status))
        answer = self._request(self.url, "GET")
        length = answer.headers.get("Content-Length")
        size = int(length) if length is not None and length.isdigit() else None
        return OpenSource(self, answer, size, _of_headers(answer.headers))

    def digest(self, algorithm: str) -> str:
        """The checksum of all of it, in hexadecimal."""
        digests = Digests((algorithm,))
        with self.open() as opened:
            try:
                for piece in opened.pieces():
                    digests.update(piece)
            finally:
                digests.close()
        return digests.result()[algorithm]

    def listed_digest(self, url: str, digits: int) -> str:
        """The checksum of so many ``digits`` that the list at ``url`` has for a file of this name.

        Raises `InvalidSpec` (field ``checksum``) for a list that has none, `OperationFailed`.
        """
        try:
            with closing(self._request(url, "GET", field="checksum")) as answer:
                text = self._short_text(answer, _shown(url))
        except (OSError, HTTPException) as error:
            raise _failed(_shown(url), str(error), "checksum") from error
        for line in text.splitlines():
            for pattern in _LINES:
                found = pattern.match(line.strip())
                if found and found["name"].rpartition("/")[2] == self.file_name and len(found["digest"]) == digits:
                    return found["digest"].lower()
        reason = f"{_shown(url)} has no checksum of {digits} digits for '{self.file_name}'"
        raise InvalidSpec([FieldError("checksum", reason)])

    def _short_text(self, answer: IO[bytes], shown: str) -> str:
        """A list of checksums, which is short and comes as soon as a server may be silent."""
        content, end = b"", time.monotonic() + self.timeout
        while len(content) <= _MOST_LIST_BYTES:
            piece = answer.read1(_PIECE_BYTES)  # type: ignore[attr-defined]  # an http.client.HTTPResponse
            if not piece:
                return content.decode("utf-8", "replace")
            content += piece
            if time.monotonic() > end:
                raise _failed(shown, f"it takes more than {self.timeout:g} s", "checksum")
        raise _failed(
            shown, f"it has more than {_MOST_LIST_BYTES // 1024**2} MiB, which no list of checksums has", "checksum"
        )

    def _file(self) -> Path:
        path = Path(str(self.path))
        if not path.is_file():  # a FIFO or a device would keep us waiting for ever
            raise InvalidSpec([FieldError("path", f"{path} is no file on the machine that the task runs on")])
        return path

    def _request(self, url: str, method: str, field: str = "url") -> Any:
        headers = {"User-Agent": "hostler.libvirt"}
        same_server = urlsplit(url)[:2] == urlsplit(self.url or "")[:2]
        try:
            request = urllib.request.Request(_as_sent(url), method=method, headers=headers)  # noqa: S310
            if self.username is not None and same_server:
                login = base64.b64encode(f"{self.username}:{self.password or ''}".encode()).decode()
                # one that it redirects to has no business with it
                request.add_unredirected_header("Authorization", f"Basic {login}")
            return self._opener().open(request, timeout=self.timeout)
        except urllib.error.HTTPError as error:
            error.close()
            raise _Refused(
                _shown(url), error.code, _plain(f"the server answers {error.code} {error.reason}"), field
            ) from None
        except (OSError, HTTPException, ValueError) as error:
            raise _failed(_shown(url), str(getattr(error, "reason", error)), field) from error

    def _opener(self) -> urllib.request.OpenerDirector:
        context = ssl.create_default_context()
        if not self.validate_certs:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        opener = urllib.request.OpenerDirector()
        for handler in (
            urllib.request.ProxyHandler(),
            urllib.request.HTTPHandler(),
            urllib.request.HTTPSHandler(context=context),
            _Redirects(),
            urllib.request.HTTPErrorProcessor(),
            urllib.request.HTTPDefaultErrorHandler(),
            urllib.request.UnknownHandler(),
        ):
            opener.add_handler(handler)
        return opener


class OpenSource:
    """A source that is being read, in a ``with`` block; ``size`` in bytes, None where nobody says it.

    ``stamp`` is as of `ImageSource.stamp`, and of what is being read.
    """

    def __init__(
        self, source: ImageSource, stream: IO[bytes], size: Optional[int], stamp: Optional[Dict[str, Any]]
    ) -> None:
        self.stamp = stamp
        self._source = source
        self._stream = stream
        self.size = size

    def __enter__(self) -> OpenSource:
        return self

    def __exit__(self, *_error: object) -> None:
        self._stream.close()

    def pieces(self) -> Iterator[bytes]:
        """What is left of it. Raises `OperationFailed` where it breaks off."""
        while True:
            try:
                piece = self._stream.read(_PIECE_BYTES)
            except (OSError, HTTPException) as error:
                raise _failed(self._source.shown, str(error) or type(error).__name__, self._source.option) from error
            if not piece:
                return
            yield piece


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows to the web only, and never from https to http."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        here, there = urlsplit(req.full_url).scheme, urlsplit(newurl).scheme
        if there not in _WEB or (here == "https" and there != "https"):
            fp.close()
            raise ValueError(f"the server redirects from {here} to {there}")
        if "@" in urlsplit(newurl).netloc:  # which would be told as a port that is none
            fp.close()
            raise ValueError("the server redirects to an address with a login in it")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class _Refused(OperationFailed):
    """The server has answered, and not what was asked for."""

    def __init__(self, shown: str, status: int, reason: str, field: str) -> None:
        super().__init__(f"Failed to read {shown}: {reason}", field)
        self.status = status


def _of_file(status: os.stat_result) -> Dict[str, Any]:
    return {"size": status.st_size, "modified": status.st_mtime_ns}


def _of_headers(headers: Any) -> Optional[Dict[str, Any]]:
    stamp = {name: headers.get(name) for name in ("ETag", "Last-Modified")}
    # no length: it would take another content of the same length for the same, and not every server says it twice
    return stamp if stamp["ETag"] or stamp["Last-Modified"] else None


def _failed(shown: str, reason: str, field: str) -> OperationFailed:
    return OperationFailed(f"Failed to read {shown}: {_plain(reason)}", field)


def _plain(text: str) -> str:
    """Without what a terminal would act upon: a server has said it."""
    return "".join(one if one.isprintable() else "?" for one in " ".join(text.split()))


def _as_sent(url: str) -> str:
    """The URL as HTTP has it, which knows ASCII only."""
    parts = urlsplit(url)
    known = "".join(map(chr, range(0x21, 0x7F)))
    login, at, server = parts.netloc.rpartition("@")
    host = server if server.isascii() else server.encode("idna").decode("ascii")
    return urlunsplit((parts.scheme, login + at + host, quote(parts.path, known), quote(parts.query, known), ""))


def _shown(url: str) -> str:
    """Without a login, and without a query, in which tokens are."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
