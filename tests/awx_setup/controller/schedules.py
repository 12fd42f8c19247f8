# SPDX-License-Identifier: GPL-3.0-or-later
"""Which recurrence rules AWX takes: validate_rrule of its SchedulePreviewSerializer."""

from __future__ import annotations

import re
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tests.awx_setup.controller.errors import invalid

FREQUENCIES = {"MINUTELY", "HOURLY", "DAILY", "WEEKLY", "MONTHLY", "YEARLY"}


def check_rule(rule: str) -> None:
    """Refuse, with 400, a rule that AWX would refuse."""
    starts = re.findall(r"DTSTART(?:;TZID=([^:]+))?:([0-9]{8}T[0-9]{6})(Z?)", rule)
    rules = re.findall(r"RULE:(\S*)", rule)
    if not starts:
        raise invalid(rrule="Valid DTSTART required in rrule. Value should start with: DTSTART:YYYYMMDDTHHMMSSZ")
    if len(starts) > 1:
        raise invalid(rrule="Multiple DTSTART is not supported.")
    zone, _, utc = starts[0]
    if not zone and not utc:
        raise invalid(rrule="DTSTART cannot be a naive datetime.  Specify ;TZINFO= or YYYYMMDDTHHMMSSZZ.")
    if zone:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError):
            raise invalid(rrule=f"A valid TZID must be provided (e.g., America/New_York), not {zone}") from None
    if not rules:
        raise invalid(rrule="One or more rule required in rrule.")
    for word in ("EXDATE", "RDATE"):
        if f"{word}:" in rule.upper():
            raise invalid(rrule=f"{word} not allowed in rrule.")
    for one in rules:
        parts = dict(part.partition("=")[::2] for part in one.split(";"))
        if "INTERVAL" not in parts:
            raise invalid(rrule=f"INTERVAL required in rrule: {one}")
        if parts.get("FREQ") not in FREQUENCIES:
            raise invalid(rrule=f"rrule parsing failed validation: {one}")
        if "COUNT" in parts and ("UNTIL" in parts or int(parts["COUNT"]) > 999):
            raise invalid(rrule=f"COUNT > 999 is unsupported, and not with UNTIL: {one}")
