# SPDX-License-Identifier: GPL-3.0-or-later
"""An event source of ansible-rulebook: what happens to the virtual machines of libvirt hosts."""

from __future__ import annotations

DOCUMENTATION = r"""
---
short_description: What happens to the virtual machines of libvirt hosts, as it happens
version_added: 0.1.0
description:
  - Tells of each VM, whoever made it, that it was defined, started, suspended, resumed, stopped, rebooted, has crashed and so on.
  - A host that can't be reached, falls silent or restarts its libvirtd is tried again until it is there. What must have
    happened to its VMs meanwhile is told then, with C(missed) true.
  - Needs libvirt-python beside ansible-rulebook.
options:
  uris:
    description:
      - The libvirt connection URIs of the hosts, such as V(qemu:///system) or V(qemu+ssh://root@host/system).
      - Where it is left out, the environment variable E(LIBVIRT_DEFAULT_URI) counts; where that is empty, libvirt's own default.
    type: list
    elements: str
  events:
    description:
      - The events to tell of; all where it is left out.
      - V(other) is what a libvirt that is newer than this plugin tells. V(connected) and V(disconnected) are the hosts' own.
    type: list
    elements: str
    choices:
      - defined
      - undefined
      - started
      - suspended
      - resumed
      - stopped
      - shutdown
      - pmsuspended
      - crashed
      - rebooted
      - other
      - connected
      - disconnected
  names:
    description:
      - Names of the VMs to tell of, or patterns of a shell, such as V(web-*); all where it is left out.
      - The events of hosts are told of in any case, unless O(events) leaves them out.
    type: list
    elements: str
  longest_pause:
    description: The longest pause between two tries to reach a host, in seconds, at least 1. The first one is of a second.
    type: float
    default: 30
notes:
  - An event of a VM has C(type) V(vm), C(event) (one of O(events)), C(reason) (libvirt's word for why, such as V(booted), V(destroyed),
    V(failed); V(other) where it has none), C(vm) with C(name) and C(uuid), C(host) (what the host calls itself), C(uri) (the
    one that was given), C(time) (when it was heard of, UTC, ISO 8601) and C(missed).
  - An event of a host has C(type) V(host), C(event), C(reason) (a sentence; none for V(connected)), C(host) (none before the
    host has been reached), C(uri) and C(time).
  - A QEMU that is killed or dies by itself is V(stopped) with the reason V(failed); a guest's panic is V(crashed) or V(stopped) with the
    reason V(crashed), as its C(<on_crash>) says.
author:
  - Hostler contributors (@hostler)
"""

EXAMPLES = r"""
- name: Start a guest again that has crashed
  hosts: all
  sources:
    - hostler.libvirt.hostler_events:
        uris:
          - qemu+ssh://root@host1.example.com/system
          - qemu+ssh://root@host2.example.com/system
        events: [stopped]
        names: ["web-*"]
  rules:
    - name: It was not asked to stop
      condition: event.type == "vm" and event.reason in ["failed", "crashed"]
      action:
        run_module:
          name: hostler.libvirt.vm_power
          module_args:
            uri: "{{ event.uri }}"
            uuid: "{{ event.vm.uuid }}"
            operation: start
"""

import asyncio
import logging
import random
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import datetime, timezone
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

# ansible-rulebook runs this file, and knows nothing of the collection that it is in
_COLLECTIONS = str(Path(__file__).parents[7])
if _COLLECTIONS not in sys.path:
    sys.path.append(_COLLECTIONS)

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostlerError, HostUnreachable
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.library import LIBVIRT_IMPORT_ERROR
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.lifecycle import listening, standings
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.migration import host_name
from ansible_collections.hostler.libvirt.plugins.module_utils.lifecycle import (
    EVENTS,
    OTHER,
    LifecycleEvent,
    Standing,
    after,
    missed,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.options import host_uri

HOST_EVENTS = ("connected", "disconnected")
log = logging.getLogger("hostler_events")  # ansible-rulebook shows it with --verbose

# libvirt's thread may still be about to tell of what a reply that has arrived already knows
_SETTLE_SECONDS = 0.1
_MOST_DOUBLINGS = 20  # of the pause: a host may be away for months


class Wishes:
    """What is asked for; raises ValueError with a sentence that names the argument."""

    def __init__(self, args: Mapping[str, Any]) -> None:
        unknown = sorted(set(args) - {"uris", "events", "names", "longest_pause"})
        if unknown:
            raise ValueError(f"{unknown[0]}: hostler_events has no such argument")
        uris = _texts(args, "uris")
        if uris is not None and not uris:
            raise ValueError("uris: should name a host")
        self.uris: List[Optional[str]] = [host_uri({"uri": uri}) for uri in (uris if uris is not None else [""])]
        if len(set(self.uris)) != len(self.uris):
            raise ValueError("uris: names a host twice")
        self._events = _texts(args, "events")
        for event in self._events or ():
            if event not in (*EVENTS, OTHER, *HOST_EVENTS):
                raise ValueError(f"events: there is no event '{event}'")
        self._names = _texts(args, "names")
        pause = args.get("longest_pause", 30)
        if isinstance(pause, bool) or not isinstance(pause, (int, float)) or not pause >= 1:
            raise ValueError("longest_pause: should be a number of seconds, at least 1")
        self.longest_pause = float(pause)

    def wants(self, event: str) -> bool:
        """Whether such an event is to be told of."""
        return self._events is None or event in self._events

    def wants_vm(self, name: str) -> bool:
        """Whether the events of the VM of that name are."""
        return self._names is None or any(fnmatchcase(name, pattern) for pattern in self._names)


def _texts(args: Mapping[str, Any], name: str) -> Optional[List[str]]:
    value = args.get(name)
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
        raise ValueError(f"{name}: should be a list of texts that are not empty")
    return value


class Watch:
    """The watch of one host, for as long as ansible-rulebook runs."""

    def __init__(self, queue: Any, uri: Optional[str], wishes: Wishes) -> None:
        self._queue = queue
        self._uri = uri
        self._wishes = wishes
        self._host: Optional[str] = None
        self._standings: Optional[Dict[str, Standing]] = None
        self._failures = 0
        # a connection is for one call at a time, and a host that hangs keeps no other one waiting
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="hostler-events")

    async def run(self) -> None:
        """Follow the host, again and again, until this is cancelled."""
        try:
            while True:
                try:
                    await self._follow()
                    reason = "The connection to the host is lost"
                except HostlerError as error:
                    reason = error.message
                if self._failures == 0:
                    log.warning("%s is not followed: %s", self._uri or "The default host", reason)
                    await self._tell("host", "disconnected", reason)
                pause = min(2.0**self._failures, self._wishes.longest_pause)
                self._failures = min(self._failures + 1, _MOST_DOUBLINGS)
                await asyncio.sleep(pause * random.uniform(0.75, 1.0))  # noqa: S311  no secret
        finally:
            self._thread.shutdown(wait=False)

    async def _follow(self) -> None:
        """Tell of what happens until the connection is lost; raises `HostlerError` where there is none."""
        loop = asyncio.get_running_loop()
        heard: asyncio.Queue[Optional[LifecycleEvent]] = asyncio.Queue()

        # called by libvirt's thread, which outlives the loop; None is the connection's end
        def note(event: Optional[LifecycleEvent]) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(heard.put_nowait, event)

        ends = ExitStack()
        try:
            self._host, now = await loop.run_in_executor(self._thread, partial(self._begin, ends, note))
            await asyncio.sleep(_SETTLE_SECONDS)
            self._failures = 0
            log.info("%s is followed: %s", self._uri or "The default host", self._host)
            await self._tell("host", "connected", None)
            await self._catch_up(now, [heard.get_nowait() for _nth in range(heard.qsize())])
            while True:
                event = await heard.get()
                if event is None:
                    return
                await self._take(event)
        finally:
            # not waited for: a host that hangs would keep ansible-rulebook from its end
            self._thread.submit(ends.close)

    def _begin(
        self, ends: ExitStack, note: Callable[[Optional[LifecycleEvent]], None]
    ) -> Tuple[str, Dict[str, Standing]]:
        """Connect and listen, and only then look, so that nothing happens in between unheard."""
        hypervisor = ends.enter_context(Hypervisor.open(self._uri))
        ends.enter_context(listening(hypervisor, note, lambda: note(None)))
        return host_name(hypervisor), standings(hypervisor)

    async def _catch_up(self, now: Dict[str, Standing], heard: List[Optional[LifecycleEvent]]) -> None:
        """Tell of what was heard while we looked, and of what must have happened to the other VMs before that."""
        if self._standings is None:
            self._standings = now
        touched = set()
        for event in heard:
            if event is None:
                raise HostUnreachable("The connection to the host is lost")
            touched.add(event.uuid)
            await self._take(event)
        before, found = (
            {uuid: standing for uuid, standing in all_of_them.items() if uuid not in touched}
            for all_of_them in (self._standings, now)
        )
        for event in missed(before, found):
            await self._take(event)

    async def _take(self, event: LifecycleEvent) -> None:
        self._standings = after(self._standings or {}, event)
        if self._wishes.wants_vm(event.name):
            vm = {"name": event.name, "uuid": event.uuid}
            await self._tell("vm", event.event, event.reason, vm=vm, missed=event.missed)

    async def _tell(self, kind: str, event: str, reason: Optional[str], **more: Any) -> None:
        if not self._wishes.wants(event):
            return
        now = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        about = {"type": kind, "event": event, "reason": reason, "host": self._host, "uri": self._uri, "time": now}
        await self._queue.put({**about, **more})


async def main(queue: Any, args: Dict[str, Any]) -> None:
    """Put the events of all hosts into the queue, until this is cancelled: what ansible-rulebook calls."""
    wishes = Wishes(args)
    if LIBVIRT_IMPORT_ERROR is not None:
        raise RuntimeError("hostler_events needs libvirt-python where ansible-rulebook runs")
    await asyncio.gather(*(Watch(queue, uri, wishes).run() for uri in wishes.uris))
