# SPDX-License-Identifier: GPL-3.0-or-later
"""Hearing what happens to the VMs of a host, as it happens."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, Callable, Dict, Iterator, List, Tuple

from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.failure import translated
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.library import libvirt
from ansible_collections.hostler.libvirt.plugins.module_utils.lifecycle import (
    OTHER,
    REBOOTED,
    LifecycleEvent,
    Standing,
    standing_of,
    words_of,
)


@contextmanager
def listening(
    hypervisor: Hypervisor, on_event: Callable[[LifecycleEvent], None], on_close: Callable[[], None]
) -> Iterator[None]:
    """Hear of every VM of the host while the block runs; both callbacks come from libvirt's event thread.

    ``on_close`` is called when the connection is lost, which keepalive notices of a host that just falls silent.
    Raises `HostUnreachable`, or `Unsupported` where the driver has no events.
    """

    def note(_connection: Any, domain: Any, event: int, detail: int, _opaque: Any) -> None:
        on_event(LifecycleEvent(domain.name(), domain.UUIDString(), *words_of(event, detail)))

    def note_reboot(_connection: Any, domain: Any, _opaque: Any) -> None:
        on_event(LifecycleEvent(domain.name(), domain.UUIDString(), REBOOTED, OTHER))

    kinds: List[Tuple[int, Callable[..., None]]] = [(libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, note)]
    if not hypervisor.is_test_driver:  # has no such event
        kinds.append((libvirt.VIR_DOMAIN_EVENT_ID_REBOOT, note_reboot))
    connection = hypervisor.handle
    with translated("watch the connection"):
        connection.registerCloseCallback(lambda _connection, _reason, _opaque: on_close(), None)
    with ExitStack() as watches:
        watches.enter_context(hypervisor.until_left(connection.unregisterCloseCallback))
        for kind, callback in kinds:
            with translated("watch the host"):
                number = connection.domainEventRegisterAny(None, kind, callback, None)
            watches.enter_context(hypervisor.until_left(partial(connection.domainEventDeregisterAny, number)))
        yield


def standings(hypervisor: Hypervisor) -> Dict[str, Standing]:
    """How all VMs of the host are, by UUID, in one call."""
    return {one.uuid: standing_of(one.name, one.state, one.reason) for one in hypervisor.domain_states()}
