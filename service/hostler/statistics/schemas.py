# SPDX-License-Identifier: GPL-3.0-or-later
"""The bodies of the statistics routes."""

from __future__ import annotations

from pydantic import Field

from hostler.bodies import ResponseBody, Timestamp
from hostler.statistics.figures import Figures


class Use(ResponseBody):
    """What somebody uses; null is what nobody could tell."""

    cpu_percent: float | None = Field(description="Of all of its vCPUs, or CPUs, together")
    memory_mb: float | None = Field(description="MiB that it has")
    memory_used_mb: float | None = Field(
        description="MiB that it can't do without: of a VM as its guest says, of a server without buffers and caches"
    )
    memory_resident_mb: float | None = Field(description="MiB that a VM takes of its server; null of a server")
    disk_read_bytes: float | None = Field(
        description="Per second, as all that follow; a server's are its VMs' together"
    )
    disk_written_bytes: float | None
    disk_reads: float | None = Field(description="Requests per second")
    disk_writes: float | None = Field(description="Requests per second")
    network_received_bytes: float | None
    network_sent_bytes: float | None


class UseNow(Use):
    """What somebody uses at present."""

    at: Timestamp = Field(description="When it was read")


class Series(ResponseBody):
    """One figure over time; of a single reading the average is the highest, too."""

    average: list[float | None]
    highest: list[float | None]


class UseOverTime(ResponseBody):
    """Each figure over time, by the names of `Use`."""

    cpu_percent: Series
    memory_mb: Series
    memory_used_mb: Series
    memory_resident_mb: Series
    disk_read_bytes: Series
    disk_written_bytes: Series
    disk_reads: Series
    disk_writes: Series
    network_received_bytes: Series
    network_sent_bytes: Series


class Known(ResponseBody):
    """What was used, for graphs.

    The value with the index ``i`` speaks of the seconds from ``since + i * resolution`` on. It is null where nothing is
    known: it did not run, or nobody could look.
    """

    id: int
    name: str
    since: Timestamp
    resolution: int = Field(description="Seconds from one value to the next")
    series: UseOverTime


class VmStatistics(Known):
    """What a VM uses."""

    now: UseNow | None = Field(description="Null unless it was read in the last four readings: it does not run, say")


class PoolNow(ResponseBody):
    """A storage pool at present."""

    capacity_gb: float = Field(description="GiB")
    free_gb: float = Field(description="GiB")


class ServerNow(UseNow):
    """What a server uses at present."""

    vms: int = Field(description="VMs that run and that the service knows")
    pools: dict[str, PoolNow] = Field(description="Its active storage pools by their names")


class PoolSeries(ResponseBody):
    """A storage pool over time, as it was at the end of each of its seconds."""

    free_gb: list[float | None] = Field(description="GiB")


class ServerStatistics(Known):
    """What a server and its VMs use."""

    now: ServerNow | None = Field(description="Null unless it was read in the last four readings")
    pools: dict[str, PoolSeries]


# a figure that is stored and not shown, or the other way round, is a mistake
assert tuple(Use.model_fields) == tuple(UseOverTime.model_fields) == Figures._fields  # noqa: S101
