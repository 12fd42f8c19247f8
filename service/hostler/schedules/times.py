# SPDX-License-Identifier: GPL-3.0-or-later
"""When a schedule runs: the times after a moment, all in UTC.

A cron expression is read as Debian's cron does, changes of the clocks included (`cronsim`): what is to run at hours and
minutes that are named runs once a day, also on the day on which the clocks skip its time (then right after the gap) or
show it twice (then the first time). What runs every so many minutes or hours follows the clocks as they are.
"""

from __future__ import annotations

import re
import zoneinfo
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cronsim import CronSim, CronSimError

from hostler.schedules.models import Schedule

_FIELDS = 5
_SOME_MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
_PLACE = re.compile(r"(?!posix/|right/)[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}")
_NO_PLACES = {"Factory", "localtime", "posixrules"}
"""Names that tell one machine something, and the next something else."""


class UnreadableTimes(ValueError):
    """An expression or a time zone that this machine can't read; the message says which, in a sentence."""


@dataclass(frozen=True, slots=True)
class Times:
    """One time, or those of an expression that is read in a time zone."""

    at: datetime | None
    cron: str | None
    time_zone: str

    def after(self, moment: datetime) -> datetime | None:
        """The first time that is later than ``moment``; None where there is none, of an expression in 50 years.

        Raises `UnreadableTimes`.
        """
        if self.cron is None:
            return self.at if self.at is not None and self.at > moment else None
        try:
            local = moment.astimezone(zoneinfo.ZoneInfo(self.time_zone))
            # where the clocks show an hour twice it may begin with the first of them
            found = (one.astimezone(UTC) for one in CronSim(self.cron, local))
            return next((one for one in found if one > moment), None)
        except CronSimError as error:
            raise UnreadableTimes(f"'{self.cron}' is no cron expression: {_lower(error)}") from None
        except zoneinfo.ZoneInfoNotFoundError:
            raise UnreadableTimes(f"The time zone '{self.time_zone}' is not known here") from None

    def several_after(self, moment: datetime, number: int) -> list[datetime]:
        """The first ``number`` times that are later than ``moment``; raises `UnreadableTimes`."""
        found: list[datetime] = []
        following = self.after(moment)
        while following is not None and len(found) < number:
            found.append(following)
            following = self.after(following)
        return found

    def is_in_time(self, due: datetime, now: datetime, grace_seconds: int) -> bool:
        """Whether one of its times from ``due`` to ``now`` is no more than ``grace_seconds`` ago.

        Raises `UnreadableTimes`.
        """
        oldest = now - timedelta(seconds=grace_seconds)
        if due >= oldest:
            return True
        following = self.after(oldest - timedelta(microseconds=1))
        return following is not None and following <= now


def checked_cron(text: str) -> str:
    """The expression, one space between its fields; raises ValueError that says what is wrong with it."""
    fields = text.split()
    if len(fields) != _FIELDS:
        raise ValueError("it should have five fields: minute, hour, day of the month, month, day of the week")
    try:
        CronSim(" ".join(fields), _SOME_MOMENT)
    except CronSimError as error:
        raise ValueError(f"it is no cron expression: {_lower(error)}") from None
    return " ".join(fields)


def checked_time_zone(name: str) -> str:
    """The name, if it is one of a place that this machine knows; raises ValueError."""
    try:
        if not _PLACE.fullmatch(name) or name in _NO_PLACES:
            raise zoneinfo.ZoneInfoNotFoundError
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):  # what is there may be a folder, or another file
        raise ValueError("it should be a name of the IANA time zone database, such as Europe/Berlin") from None
    return name


def _lower(error: CronSimError) -> str:
    text = str(error)
    return text[:1].lower() + text[1:]


def times_of(schedule: Schedule) -> Times:
    """When a schedule runs."""
    return Times(schedule.at, schedule.cron, schedule.time_zone)
