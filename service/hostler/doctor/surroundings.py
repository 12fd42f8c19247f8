# SPDX-License-Identifier: GPL-3.0-or-later
"""What the service's process finds around it: variables, the time zone, the clock, itself."""

from __future__ import annotations

import ctypes
import re
import time
import zoneinfo
from collections.abc import Mapping
from datetime import datetime

import httpx

from hostler.doctor.finding import Finding, failed, ok, warning
from hostler.settings import Settings, misspelt

_UNSYNCHRONISED = 0x0040  # STA_UNSYNC of adjtimex(2)
_LARGEST_ERROR = 16_000_000  # microseconds, what the kernel says until somebody tells it better
_POSIX_ZONE = re.compile(r"(?:[A-Za-z]{3,}|<[A-Za-z0-9+-]{3,}>)[+-]?\d.*")
_ANSWER_SECONDS = 3


def misspelt_variables(environment: Mapping[str, str]) -> list[Finding]:
    """Whether a variable is nearly a setting, and so changes nothing."""
    found = list(misspelt(environment))
    if not found:
        return [ok("settings", "The settings are right, and no variable is nearly the name of one")]
    return [
        warning("settings", f"The variable {variable} is not a setting", f"Say {meant} if that is meant")
        for variable, meant in found
    ]


def time_zone(environment: Mapping[str, str]) -> list[Finding]:
    """Whether the process has the time zone that somebody thinks it has; stored times are UTC in any case."""
    name = environment.get("TZ", "").lstrip(":")
    if name and not name.startswith("/") and not _POSIX_ZONE.fullmatch(name):
        try:
            zoneinfo.ZoneInfo(name)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            return [
                warning(
                    "time zone",
                    f"The variable TZ names '{name}', which this machine does not know, so it counts as UTC",
                    "Name a zone of /usr/share/zoneinfo, or install the package tzdata",
                )
            ]
    now = datetime.now().astimezone()
    return [ok("time zone", f"Local time is {now:%Z} (UTC{now:%z}); what is stored and logged is UTC")]


class _Timex(ctypes.Structure):
    # the beginning of struct timex of <sys/timex.h>, and room for all that follows
    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_char * 256),
    )


def kernel_clock() -> tuple[int, int] | None:
    """The status of the kernel's clock, and its largest error in microseconds; None where it may not be read."""
    read = _Timex()
    try:
        result = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(read))
    except (AttributeError, OSError):
        return None
    return None if result < 0 else (read.status, read.maxerror)


def clock(kernel: tuple[int, int] | None) -> list[Finding]:
    """Whether something keeps the clock right, as the kernel was told by whatever does."""
    if kernel is None:
        return [ok("clock", "Whether the clock is kept right can't be told here: the kernel may not be asked")]
    status, error = kernel
    if status & _UNSYNCHRONISED or error >= _LARGEST_ERROR:
        return [
            warning(
                "clock",
                "Nothing keeps this machine's clock right: tokens expire by it, and events are told in its order",
                "Run an NTP client: systemd-timesyncd, chrony",
            )
        ]
    return [ok("clock", f"The clock is kept right, to {error / 1000:.0f} ms at worst")]


def service(settings: Settings) -> list[Finding]:
    """Whether a service answers where the settings say."""
    if settings.port == 0:
        return [ok("service", "Whether a service runs can't be told: the setting port is 0, which takes any free one")]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104 - not to listen on
    url = f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"
    try:
        with httpx.Client(timeout=_ANSWER_SECONDS, trust_env=False) as client:
            begin = time.monotonic()
            answer = client.get(f"{url}/readyz")
            took = time.monotonic() - begin
    except httpx.HTTPError as error:
        return [
            warning(
                "service",
                f"No service answers at {url} ({str(error) or type(error).__name__})",
                "Start it ('hostler serve', or its systemd unit), unless it is stopped on purpose; its log says why",
            )
        ]
    if answer.status_code != 200:
        return [
            failed(
                "service", f"What answers at {url} is not ready (HTTP {answer.status_code})", "See the service's log"
            )
        ]
    return [ok("service", f"A service answers at {url} and is ready ({took * 1000:.0f} ms)")]
