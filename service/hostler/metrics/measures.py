# SPDX-License-Identifier: GPL-3.0-or-later
"""What this process counts of itself: requests, jobs that ended, logins that failed, and what it costs to run.

A label has few values, all of them ours: the route's template and never the path, a method that HTTP has. The counts
begin anew with each start; of several services each has its own.
"""

from __future__ import annotations

import platform

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.process_collector import ProcessCollector

from hostler import __version__

REGISTRY = CollectorRegistry()
"""All that `hostler.metrics` counts; not the library's own, into which any other library may write."""

# without this, a second series for each, of when it began, that nobody asks for
disable_created_metrics()  # type: ignore[no-untyped-call]  # the library's
ProcessCollector(registry=REGISTRY)

BUILD = Gauge("hostler_build_info", "What runs here; always 1", ("version", "python"), registry=REGISTRY)
BUILD.labels(version=__version__, python=platform.python_version()).set(1)

REQUESTS = Counter(
    "hostler_http_requests", "Requests that were answered", ("method", "route", "status"), registry=REGISTRY
)
REQUEST_SECONDS = Histogram(
    "hostler_http_request_duration_seconds",
    "From a request's arrival to the end of its answer; of a stream, as long as it lasted",
    ("method", "route"),
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
    registry=REGISTRY,
)
REQUESTS_IN_PROGRESS = Gauge(
    "hostler_http_requests_in_progress", "Requests that are being answered, streams among them", registry=REGISTRY
)
LOGINS_FAILED = Counter(
    "hostler_logins_failed",
    "Logins that were refused: for a wrong name or password (wrong), or for too many of these before (throttled)",
    ("reason",),
    registry=REGISTRY,
)
for _reason in ("wrong", "throttled"):
    LOGINS_FAILED.labels(reason=_reason)  # there from the start, so that the first one is seen as an increase
JOB_SECONDS = Histogram(
    "hostler_job_duration_seconds",
    "From a job's start to its end, by how it ended",
    ("action", "state"),
    buckets=(0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900, 3600),
    registry=REGISTRY,
)
STATISTICS_READS = Counter(
    "hostler_statistics_reads",
    "Readings of a host's statistics: read, failed, or too_slow where QEMUs or the host hang",
    ("outcome",),
    registry=REGISTRY,
)
for _outcome in ("read", "failed", "too_slow"):
    STATISTICS_READS.labels(outcome=_outcome)
STATISTICS_SECONDS = Histogram(
    "hostler_statistics_read_duration_seconds",
    "How long the reading of a host's statistics took, from its connection to its figures",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15),
    registry=REGISTRY,
)
WEBHOOK_DELIVERIES = Counter(
    "hostler_webhook_deliveries",
    "Tries to deliver events to webhooks, by what came of them: delivered, put_off to be tried again, or"
    " failed for good",
    ("outcome",),
    registry=REGISTRY,
)
for _outcome in ("delivered", "put_off", "failed"):
    WEBHOOK_DELIVERIES.labels(outcome=_outcome)
