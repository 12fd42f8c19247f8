# SPDX-License-Identifier: GPL-3.0-or-later
"""The running services of one PostgreSQL database, as rows; on SQLite, with one service, there are none."""

from __future__ import annotations

from tortoise import fields
from tortoise.models import Model


class ServiceProcess(Model):
    """One service, for as long as it runs; one that was killed is dead when its time is over."""

    name = fields.CharField(primary_key=True, max_length=128, description="As in lease_owner of a job")
    hostname = fields.CharField(max_length=255, description="The machine that it runs on")
    pid = fields.IntField(description="Its process there")
    started_at = fields.DatetimeField(description="UTC, by the database's clock")
    expires_at = fields.DatetimeField(description="UTC, by the database's clock: dead after that unless it says more")
    watches = fields.BooleanField(description="Whether it takes hosts, not while it stops")

    class Meta:
        table = "service_process"
        table_description = "Running services"
