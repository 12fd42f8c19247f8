# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls that a sick guest may hang, so that whoever makes them doesn't."""

from __future__ import annotations

from types import TracebackType
from typing import Callable, Optional, Type, TypeVar

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import GuestTimeout
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.patience import within

Result = TypeVar("Result")


class SideConnection:
    """A second connection to a host, opened when it is needed, each of whose calls may be abandoned.

    An abandoned call takes its connection with it: no other call may be made on that (see `Hypervisor`), and closing
    it would wait for the call. The next call opens another one.
    """

    def __init__(self, hypervisor: Hypervisor) -> None:
        self._hypervisor = hypervisor
        self._other: Optional[Hypervisor] = None

    def __enter__(self) -> SideConnection:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        if self._other is not None:
            self._other.close()

    def call(self, seconds: float, work: Callable[[Hypervisor], Result]) -> Result:
        """What ``work`` answers or raises; `GuestTimeout` if it is not done after ``seconds``."""
        if self._hypervisor.is_test_driver:  # whose domains belong to their connection, and never hang
            return work(self._hypervisor)
        if self._other is None:
            self._other = self._hypervisor.another()
        other = self._other
        try:
            return within(seconds, lambda: work(other), too_late=lambda _result: None)
        except TimeoutError:
            self._other = None
            raise GuestTimeout(f"The VM did not answer within {seconds:g} s") from None
