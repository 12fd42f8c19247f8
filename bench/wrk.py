# SPDX-License-Identifier: GPL-3.0-or-later
"""wrk, the load generator: how many answers a second a service gives to clients that ask without a pause."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from bench.errors import BenchError

CLIENTS = 16
_ANSWER = "bench-result "

# wrk's own report is for people, so the script prints one for us. `paths` is a Lua expression that yields a path
_SCRIPT = """
math.randomseed({seed})
function request()
  return wrk.format("GET", {path})
end
function done(summary, latency, requests)
  io.write(string.format('{answer}{{"requests": %d, "microseconds": %d, "failed": %d, "not_ok": %d, '
    .. '"median_us": %d, "p99_us": %d}}\\n',
    summary.requests, summary.duration,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout,
    summary.errors.status, latency:percentile(50), latency:percentile(99)))
end
"""


@dataclass(frozen=True)
class Load:
    """What came of a load."""

    per_second: float
    """Answers a second."""
    median_ms: float
    p99_ms: float


def load(url: str, path: str, seconds: float, token: str = "", seed: int = 1, clients: int = CLIENTS) -> Load:
    """Load the service at ``url``, on loopback, for ``seconds``, by that many clients.

    ``path`` is a Lua expression, a quoted text for one that stays the same. Raises BenchError if any answer is an
    error: a refusal is quick, and would look like speed.
    """
    if urlsplit(url).hostname != "127.0.0.1":
        raise BenchError(f"{url} is not on loopback")
    program = shutil.which("wrk")
    if program is None:
        raise BenchError("wrk is not installed: make setup")
    with tempfile.TemporaryDirectory(prefix="hostler-wrk-") as folder:
        script = Path(folder) / "load.lua"
        script.write_text(_SCRIPT.format(seed=seed, path=path, answer=_ANSWER))
        header = ("-H", f"Authorization: Bearer {token}") if token else ()
        done = subprocess.run(
            [program, "-t", "1", "-c", str(clients), "-d", f"{seconds:g}s", "-s", str(script), *header, url],
            capture_output=True,
            text=True,
            timeout=seconds + 60,
            check=False,
        )
    lines = [line for line in done.stdout.splitlines() if line.startswith(_ANSWER)]
    if done.returncode or not lines:
        raise BenchError(f"wrk failed: {done.stderr.strip() or done.stdout.strip()}")
    found = json.loads(lines[0].removeprefix(_ANSWER))
    if found["failed"] or found["not_ok"]:
        raise BenchError(f"{found['not_ok']} answers to {path} are errors, {found['failed']} never came")
    return Load(found["requests"] / (found["microseconds"] / 1e6), found["median_us"] / 1000, found["p99_us"] / 1000)
