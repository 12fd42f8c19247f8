# SPDX-License-Identifier: GPL-3.0-or-later
"""Hearing that something about a VM is other than it was, for whoever then looks what it is now.

What happened, in words, is `hostler.libvirt`'s event source to tell (hypervisor/lifecycle.py). Here it matters what has
to be looked at: the state alone, the definition, or where the guest can be reached.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, Callable, Dict, Iterator, NamedTuple, Sequence

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostUnreachable, Unsupported
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.failure import translated
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.library import libvirt


class Sign(NamedTuple):
    """That something happened to a domain. ``what`` is a key of `KINDS`."""

    uuid: str
    what: str


STARTED = "started"
"""Its guest began anew: by a start, or a reboot of its own. Where it was reached before says nothing any more."""
LEFT = "left"
"""It was migrated away: it is on another host now."""
AGENT = "agent"
"""Its guest agent has come, or gone: it can tell where the guest is reached."""
WATCHDOG = "watchdog"
"""Its guest's watchdog has barked: the guest hangs, or did."""

# virDomainEventID by name, for an older library lacks some; what is said of each
KINDS: Dict[str, str] = {
    "lifecycle": "VIR_DOMAIN_EVENT_ID_LIFECYCLE",
    "rebooted": "VIR_DOMAIN_EVENT_ID_REBOOT",
    "metadata": "VIR_DOMAIN_EVENT_ID_METADATA_CHANGE",
    "device added": "VIR_DOMAIN_EVENT_ID_DEVICE_ADDED",
    "device removed": "VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED",
    "medium": "VIR_DOMAIN_EVENT_ID_TRAY_CHANGE",
    "block job": "VIR_DOMAIN_EVENT_ID_BLOCK_JOB_2",
    AGENT: "VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE",
    "migration": "VIR_DOMAIN_EVENT_ID_MIGRATION_ITERATION",
    "balloon": "VIR_DOMAIN_EVENT_ID_BALLOON_CHANGE",
    WATCHDOG: "VIR_DOMAIN_EVENT_ID_WATCHDOG",
}
"""All that is listened to; of lifecycle events and reboots some are `STARTED` or `LEFT`."""

# virDomainEventType, and of one of them a virDomainEventStoppedDetailType
_STARTED = 2
_STOPPED, _MIGRATED = 5, 3


@contextmanager
def watching(hypervisor: Hypervisor, on_sign: Callable[[Sign], None], on_close: Callable[[], None]) -> Iterator[None]:
    """Hear of the host while the block runs; both callbacks come from libvirt's event thread, and must not block it.

    ``on_close`` is called when the connection is lost. An event that the host or its library does not have is not
    listened to. Raises `HostUnreachable`.
    """
    connection = hypervisor.handle
    with translated("watch the connection"):
        connection.registerCloseCallback(lambda _connection, _reason, _opaque: on_close(), None)
    with ExitStack() as watches:
        watches.enter_context(hypervisor.until_left(connection.unregisterCloseCallback))
        for what, name in KINDS.items():
            number = getattr(libvirt, name, None)
            if number is None:
                continue
            try:
                with translated("watch the host"):
                    registered = connection.domainEventRegisterAny(None, number, _callback(what, on_sign), None)
            except HostUnreachable:
                raise
            except Unsupported:
                continue
            watches.enter_context(hypervisor.until_left(partial(connection.domainEventDeregisterAny, registered)))
        yield


def _callback(what: str, on_sign: Callable[[Sign], None]) -> Callable[..., None]:
    def tell(_connection: Any, domain: Any, *details: Any) -> None:
        on_sign(Sign(domain.UUIDString(), _word(what, details)))

    return tell


def _word(what: str, details: Sequence[Any]) -> str:
    if what == "rebooted" or (what == "lifecycle" and details[0] == _STARTED):
        return STARTED
    return LEFT if what == "lifecycle" and tuple(details[:2]) == (_STOPPED, _MIGRATED) else what
