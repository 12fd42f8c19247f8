# SPDX-License-Identifier: GPL-3.0-or-later
"""A migration while it lasts: begun, watched, hurried or given up.

libvirt's call returns when all is over, so it is made in a thread, on connections of its own; how far it is is asked by
others. Whoever hangs, the source's QEMU or the destination's libvirtd, hangs one of these, and never the task.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Callable, Dict, Optional, TypeVar

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    GuestTimeout,
    HostlerError,
    HostUnreachable,
    OperationFailed,
    Unsupported,
    WrongState,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor import migration
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.domain import Domain
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.migration import Journey, Progress
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.patience import UnderWay
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.side_connection import SideConnection
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.migration_steps import MigrateLive
from ansible_collections.hostler.libvirt.plugins.module_utils.status import status_of

Result = TypeVar("Result")

_LOOK_SECONDS = 0.25
_ANSWER_SECONDS = 10.0
_STALL_SECONDS = 60.0  # not one byte was sent for so long: one of the two QEMUs, or the network, hangs
_END_SECONDS = 60.0  # how long libvirt may take to end what was given up
_UNSAFE = "Unsafe migration"  # libvirt has a code for it, and our errors none
_HURRIES: Dict[str, Callable[[Domain], None]] = {
    "pause": Domain.suspend,
    "postcopy": migration.switch_to_postcopy,
}


@dataclass
class Patience:
    """What becomes of a migration by the time. Seconds of `time.monotonic`."""

    timeout: float
    begun: float = field(default_factory=time.monotonic)
    moved: float = field(default_factory=time.monotonic)  # when something was sent last
    hurried: bool = False
    given_up: Optional[str] = None  # why
    given_up_at: float = 0.0
    seen: Progress = field(default_factory=lambda: Progress(under_way=False))

    def note(self, progress: Progress) -> None:
        """Take what was seen."""
        before = self.seen
        if (progress.memory, progress.disks, progress.iteration) != (before.memory, before.disks, before.iteration):
            self.moved = time.monotonic()
        if progress.under_way:
            self.seen = progress

    @property
    def stalls(self) -> bool:
        """Whether nothing was sent for so long that nothing will be."""
        return time.monotonic() - self.moved > _STALL_SECONDS

    @property
    def is_late(self) -> bool:
        """Whether it has had its time."""
        return time.monotonic() - self.begun > self.timeout

    def give_up(self, reason: str) -> None:
        """Have it ended; the first reason counts."""
        if self.given_up is None:
            self.given_up, self.given_up_at = reason, time.monotonic()


class Watch:
    """One migration of a VM that runs or is paused."""

    def __init__(self, source: Hypervisor, destination: Hypervisor, operation: MigrateLive) -> None:
        self._source = source
        self._destination = destination
        self._operation = operation
        self._patience = Patience(operation.timeout)
        self._limited = operation.max_downtime_ms is None
        self._cleared = False

    def migrate(self) -> Progress:
        """Move the VM; answers what was sent. Raises why it has not moved; it runs on at the source then."""
        call = begin(self._source, self._destination, self._operation.uuid, self._journey())
        with SideConnection(self._source) as side:
            while not call.ends_within(_LOOK_SECONDS):
                self._look(side)
                self._decide(side)
                if self._patience.given_up is not None and not self._ends(call, side):
                    raise GuestTimeout(
                        f"VM was not migrated: {self._patience.given_up}; libvirt has not ended it within"
                        f" {_END_SECONDS:g} s and may still be at it"
                    )
        try:
            call.result()
        except HostlerError as error:
            self._require_moved(error)
        return self._patience.seen

    def _journey(self) -> Journey:
        wanted = self._operation
        return Journey(
            live=True,
            peer_uri=wanted.peer_uri,
            migrate_uri=wanted.migrate_uri,
            tunnelled=wanted.tunnelled,
            unsafe=wanted.unsafe,
            copied=wanted.copied,
            incremental=wanted.incremental,
            bandwidth=wanted.bandwidth_mb,
            auto_converge=wanted.auto_converge,
            postcopy=wanted.on_timeout == "postcopy",
        )

    def _look(self, side: SideConnection) -> None:
        try:
            progress = self._at_the_source(side, migration.progress_of)
        except HostlerError:
            return  # it has left meanwhile, or QEMU does not answer: that it stalls is seen by the time
        self._patience.note(progress)
        if progress.under_way and not self._limited and self._operation.max_downtime_ms is not None:
            most = self._operation.max_downtime_ms
            try:
                self._at_the_source(side, lambda domain: migration.set_max_downtime(domain, most))
            except WrongState:
                return  # its disks are copied still; the next time
            except HostlerError as error:
                self._patience.give_up(error.message)
            self._limited = True

    def _decide(self, side: SideConnection) -> None:
        patience = self._patience
        if not self._destination.is_alive:
            patience.give_up("the destination's libvirt is gone, or does not answer")
        elif patience.stalls:
            patience.give_up(f"nothing of it was sent for {_STALL_SECONDS:g} s")
        elif patience.is_late and not patience.hurried:
            self._hurry(side)

    def _hurry(self, side: SideConnection) -> None:
        what = self._operation.on_timeout
        hurry = _HURRIES.get(what)
        if hurry is None:
            self._patience.give_up(f"it took longer than {self._operation.timeout:g} s")
            return
        if what == "postcopy" and not self._patience.seen.memory:
            return  # QEMU knows of no migration before the first of the memory is sent
        try:
            self._at_the_source(side, hurry)
        except WrongState:
            return  # its disks are copied still, or it has arrived
        except HostlerError as error:
            self._patience.give_up(error.message)
        self._patience.hurried = True

    def _ends(self, call: UnderWay[None], side: SideConnection) -> bool:
        """Have it ended; whether there is still time for that."""
        try:
            self._at_the_source(side, migration.abort)
        except HostlerError:
            pass  # it ends already, or can't: whether it does is seen by the time
        past = time.monotonic() - self._patience.given_up_at
        if past > _END_SECONDS / 3 and not self._cleared:
            self._cleared = True
            self._clear_destination()
        return call.ends_within(1.0) or past < _END_SECONDS

    def _clear_destination(self) -> None:
        """End what has begun to arrive there: for a QEMU that hangs there libvirt waits, and never comes back.

        As long as the guest runs at the source it has not begun to run there.
        """
        uuid = self._operation.uuid
        try:
            if not _is_running(self._source.domain(uuid)):
                return
            with Hypervisor.open(self._destination.uri) as destination:
                domain = destination.find_domain(uuid)
                if domain is not None and not domain.is_persistent() and migration.stands_for_migration(domain):
                    domain.destroy()
        except HostlerError:
            return  # that it does not end is told

    def _at_the_source(self, side: SideConnection, work: Callable[[Domain], Result]) -> Result:
        uuid = self._operation.uuid
        return side.call(_ANSWER_SECONDS, lambda other: work(other.domain(uuid)))

    def _require_moved(self, error: HostlerError) -> None:
        """Raise why it has not moved, unless it has: what failed may have been the word that it did."""
        uuid = self._operation.uuid
        reason = self._patience.given_up
        said = error.message if reason is None else f"VM was not migrated: {reason}"
        if not self._source.is_alive:
            raise HostUnreachable(f"{said}; where the VM runs can't be told: run the task again") from error
        here = self._source.find_domain(uuid)
        if here is None:
            return
        _wait_until_gone(self._destination.uri, uuid)
        state = self._gone_on(here)
        text = f"{said}; the VM {state} at the source"
        if reason is not None:
            raise GuestTimeout(text) from error
        if _UNSAFE in error.message:
            raise Unsupported(
                f"{error.message}; with unsafe you say that it is shared; the VM {state} at the source",
                "unsafe",
            ) from error
        # the source answers: what is unreachable is the destination, and what was made can be put back
        kind = OperationFailed if isinstance(error, HostUnreachable) else type(error)
        raise kind(text, error.field) from error

    def _gone_on(self, here: Domain) -> str:
        """In words, what it does: what it did before, if it can be had to."""
        if self._operation.paused:
            return "is paused"
        if migration.stands_for_migration(here) or self._patience.hurried:
            try:
                with SideConnection(self._source) as side:
                    side.call(_ANSWER_SECONDS, lambda other: other.domain(here.uuid).resume())
            except HostlerError:
                pass  # it runs already, or what it does is told as it is
        return "runs on" if _is_running(here) else "no longer runs"


def begin(source: Hypervisor, destination: Hypervisor, uuid: str, journey: Journey) -> UnderWay[None]:
    """Begin to move the VM, on connections of the call's own, which go with it."""
    here = Hypervisor.open(source.uri)
    try:
        there = Hypervisor.open(destination.uri)
        domain = here.domain(uuid)
    except BaseException:
        here.close()
        raise

    def moved() -> None:
        try:
            migration.migrate(domain, there, journey)
        finally:
            here.close()
            there.close()

    return UnderWay(moved)


def _wait_until_gone(uri: str, uuid: str) -> None:
    """Give the destination the time to end what had begun to arrive there."""
    deadline = time.monotonic() + _END_SECONDS
    try:
        with Hypervisor.open(uri) as destination:
            while time.monotonic() < deadline and destination.find_domain(uuid) is not None:
                time.sleep(_LOOK_SECONDS)
    except HostUnreachable:
        return  # it ends it when it is back


def _is_running(domain: Domain) -> bool:
    state, reason = domain.state_and_reason()
    return status_of(state, reason) == "running"
