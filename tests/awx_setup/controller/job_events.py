# SPDX-License-Identifier: GPL-3.0-or-later
"""A job's events as the API shows them, and its variables as Ansible gets them: AWX's JobEvent and BuildExtraVars."""

from __future__ import annotations

import time
from typing import Any

import yaml

from tests.awx_setup.controller.errors import refused

Event = dict[str, Any]

SHOWN_BYTES = 1024
"""What is shown of a longer text in a list, but with ``no_truncate`` or of an event of the whole playbook."""
LATE_S = 1.5
"""By so much some events come later than those after them, as AWX stores them in batches."""


class _Literal(yaml.SafeDumper):
    """Writes every text as one that Ansible shall not look into."""

    def represent_data(self, data: Any) -> yaml.Node:
        if isinstance(data, str):
            return self.represent_scalar("!unsafe", data)
        return super().represent_data(data)


def extra_vars_file(variables: dict[str, Any], of_template: dict[str, Any], allow_jinja: str) -> str:
    """The file that Ansible gets; by ALLOW_JINJA_IN_EXTRA_VARS templates are all of it, or what the template says."""
    if allow_jinja == "always":
        return yaml.safe_dump(variables)
    return "".join(
        yaml.safe_dump({name: value})
        if allow_jinja == "template" and name in of_template and of_template[name] == value
        else yaml.dump({name: value}, Dumper=_Literal)
        for name, value in variables.items()
    )


def stored(raw: dict[str, Any]) -> Event:
    """An event of ansible-runner as it is stored, with the time at which that happens."""
    data = raw.get("event_data") or {}
    is_late = raw["counter"] % 4 == 2
    return {
        "type": "job_event",
        "counter": raw["counter"],
        "event": raw["event"],
        "event_data": data,
        "failed": raw["event"] in ("runner_on_failed", "runner_on_unreachable"),
        "changed": bool((data.get("res") or {}).get("changed")),
        "uuid": raw["uuid"],
        "host_name": data.get("host", ""),
        "task": data.get("task", ""),
        "play": data.get("play", ""),
        "stdout": raw["stdout"],
        "at": time.monotonic() + (LATE_S if is_late else 0.0),
    }


def shown(events: list[Event], query: dict[str, str], *, is_over: bool) -> list[Event]:
    """Those that the query asks for and that are stored by now; refuse what can't be asked for."""
    for name in query:
        if name not in ("counter__gt", "counter__lt", "order_by", "page", "page_size", "no_truncate"):
            raise refused(400, f"JobEvent has no field named '{name}'")
    after = int(query.get("counter__gt", "0"))
    before = float(query.get("counter__lt", "inf"))
    now = time.monotonic()
    found = [event for event in events if after < event["counter"] < before and (is_over or event["at"] <= now)]
    if query.get("order_by") == "counter":
        found.sort(key=lambda event: int(event["counter"]))
    return [_shown(event, whole="no_truncate" in query) for event in found]


def _shown(event: Event, *, whole: bool) -> Event:
    text = event["stdout"]
    if not whole and not event["event"].startswith("playbook_on") and len(text) >= SHOWN_BYTES:
        text = text[: SHOWN_BYTES - 1] + "…"
    return {name: value for name, value in event.items() if name != "at"} | {"stdout": text}
