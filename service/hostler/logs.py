# SPDX-License-Identifier: GPL-3.0-or-later
"""Logging: structlog for our own lines, and the standard library's loggers (uvicorn's, asyncio's) in the same shape.

Lines go to standard error. What a request bound (``request_id``, ``user``) stands on every line that is logged
while it is answered, and on every line of the job that it began. Secrets are taken out at the end, by the name of
their key and by what our tokens look like, so that no caller has to remember; libraries that would log queries with
their values are held above the level where they do. What users wrote can't forge a line, nor speak to a terminal: JSON
escapes it by itself, and for people it is done here.
"""

from __future__ import annotations

import logging
import re
import sys
from functools import lru_cache
from typing import TYPE_CHECKING, TextIO

import structlog

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from structlog.typing import EventDict, Processor, WrappedLogger

    from hostler.settings import Settings

REDACTED = "***"

_SECRET_KEY = re.compile(r"(^|[_-])(password|passwd|passphrase|secret|token|authorization|cookie|key)$", re.IGNORECASE)
_SECRET_TEXT = re.compile(
    r"hostler_(?:refresh_)?[A-Za-z0-9_-]{16,}"  # our API and refresh tokens
    r"|eyJ[\w-]{8,}\.[\w-]+\.[\w-]*"  # a JWT
    r"|(?<=://)[^/\s:@]*:[^/\s@]+(?=@)"  # the user and password of a URL
)

_SHORTEST_SECRET = len("eyJ........._.")  # the shortest of the first two; the third has an @

# at DEBUG these log every query with its values, password hashes and tokens' hashes among them
_TALKATIVE = (
    "aiosqlite",
    "tortoise",
    "tortoise.db_client",
    "psycopg",
    "asyncio",
    "python_multipart",
)


@lru_cache(maxsize=1024)
def _is_secret_key(name: str) -> bool:
    return _SECRET_KEY.search(name) is not None


def redact(value: Any) -> Any:
    """Return ``value`` with everything in it that looks like a secret replaced by ``***``; containers are copied."""
    if isinstance(value, str):
        # most texts of most lines are too short to hold one
        return value if len(value) < _SHORTEST_SECRET and "@" not in value else _SECRET_TEXT.sub(REDACTED, value)
    if isinstance(value, dict):
        return {
            name: REDACTED if isinstance(name, str) and _is_secret_key(name) else redact(item)
            for name, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return type(value)(map(redact, value)) if type(value) in (list, tuple) else [redact(item) for item in value]
    return value


def _redact_event(_logger: WrappedLogger, _method: str, event: EventDict) -> Mapping[str, Any]:
    cleaned: Mapping[str, Any] = redact(dict(event))
    return cleaned


def _drop_uvicorn_colour(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    event.pop("color_message", None)
    return event


class _Escaped:
    """A text with characters that a terminal would act upon; the renderer shows what is no text by its repr."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return repr(self._text)


def _printable(text: str) -> str:
    return text if text.isprintable() else repr(text)[1:-1]


def _disarm(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Escape what is not printable (line ends, terminal sequences, marks that turn text around), for people's lines.

    A traceback keeps its lines, each indented: what an error's message says never begins a line.
    """
    for name, value in event.items():
        if not isinstance(value, str):
            continue  # the renderer's repr escapes it
        if name in ("exception", "stack"):
            event[name] = "\n".join(f"    {_printable(line)}" for line in value.split("\n"))
        elif name in ("event", "logger"):
            event[name] = _printable(value)
        elif not value.isprintable():
            event[name] = _Escaped(value)
    return event


def configure(settings: Settings, stream: TextIO | None = None) -> None:
    """Send every log line of the process to ``stream`` (standard error) as the settings say; may be called again."""
    stream = stream or sys.stderr
    before: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    render: list[Processor]
    if settings.log_format == "json":
        render = [structlog.processors.JSONRenderer()]
    else:
        render = [
            _disarm,
            structlog.dev.ConsoleRenderer(colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback),
        ]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*before, structlog.stdlib.ExtraAdder()],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            _drop_uvicorn_colour,
            # a plain traceback: the rich ones show local variables, and so passwords
            structlog.processors.format_exc_info,
            _redact_event,
            *render,
        ],
    )
    # where a line was logged from, and by which thread and process, stands in none: not to look for it is a fifth of a
    # line's cost (https://docs.python.org/3/howto/logging.html#optimization)
    logging._srcfile = None  # noqa: SLF001  as that page says
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging.captureWarnings(True)  # or Python writes them to standard error as it likes
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    root.setLevel(level)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(level, logging.INFO))
    # three lines at INFO for each query, which took more time than the query
    logging.getLogger("psycopg.pool").setLevel(max(level, logging.WARNING))
    # the whole URL of a webhook, which may hold a token, and what its receiver says, at DEBUG with all headers
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *before,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
