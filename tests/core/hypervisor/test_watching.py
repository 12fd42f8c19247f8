# SPDX-License-Identifier: GPL-3.0-or-later
"""Hearing that something about a VM is other than it was."""

from __future__ import annotations

import dataclasses
from queue import Empty, Queue

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.write import domain_xml
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.watching import KINDS, STARTED, Sign, watching
from ansible_collections.hostler.libvirt.plugins.module_utils.identity import Record
from lab.host import Host
from tests.core.actions.guests import desired, made
from tests.core.hypervisor.test_connection import shell


def heard_before(signs: Queue[Sign], what: str, seconds: float = 20) -> list[Sign]:
    """The signs up to the first that says ``what``."""
    heard: list[Sign] = []
    while not heard or heard[-1].what != what:
        try:
            heard.append(signs.get(timeout=seconds))
        except Empty:
            raise AssertionError(f"no sign of {what!r} after {[sign.what for sign in heard]}") from None
    return heard


def test_what_happens_to_a_domain_is_heard_with_its_uuid_for_as_long_as_one_listens(test_driver: Hypervisor) -> None:
    early: Queue[Sign] = Queue()
    late: Queue[Sign] = Queue()
    with watching(test_driver, early.put, lambda: None):
        pass

    with watching(test_driver, late.put, lambda: None):
        domain = test_driver.define(domain_xml(shell("test", "watched")))
        assert late.get(timeout=10) == Sign(domain.uuid, "lifecycle")
        domain.start()
        assert late.get(timeout=10) == Sign(domain.uuid, STARTED)
        domain.destroy()
        domain.undefine()

    assert early.empty()


@pytest.mark.lab
def test_of_a_real_host_each_kind_of_change_is_heard_from_another_connection(
    hypervisor: Hypervisor, lab_host: Host
) -> None:
    signs: Queue[Sign] = Queue()
    with Hypervisor.open(lab_host.uri) as listener, watching(listener, signs.put, lambda: None):
        uuid = made(hypervisor, dataclasses.replace(desired(lab_host, "watched"), state="running")).uuid
        domain = hypervisor.domain(uuid)
        assert {sign.uuid for sign in heard_before(signs, STARTED)} == {uuid}
        domain.set_record(Record(uuid=uuid, created=""))
        heard_before(signs, "metadata")
        domain.handle.reset()
        heard_before(signs, STARTED)
        domain.handle.setMemoryFlags(domain.handle.info()[1] // 2, 1)
        domain.destroy()
        heard_before(signs, "lifecycle")


def test_every_kind_that_is_listened_to_is_one_of_the_librarys() -> None:
    import libvirt

    assert {name for name in KINDS.values() if not hasattr(libvirt, name)} == set()
