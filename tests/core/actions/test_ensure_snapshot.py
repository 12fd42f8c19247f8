# SPDX-License-Identifier: GPL-3.0-or-later
"""A VM's snapshots as wanted, on libvirt's test driver: which VM is meant, what is told, what a revert keeps."""

import uuid as uuids

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.ensure_snapshot import (
    ensure_snapshot,
    snapshots_of,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.read import read_domain
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    InvalidSpec,
    MachineNotFound,
    SnapshotNotFound,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.domain import Domain
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.snapshot import Snapshots
from ansible_collections.hostler.libvirt.plugins.module_utils.identity import Record
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.snapshot_wish import SnapshotWish
from ansible_collections.hostler.libvirt.plugins.module_utils.selection import OneMachine

XML = """<domain type='test'><name>{name}</name><memory unit='MiB'>64</memory><os><type>hvm</type></os><devices>
<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='/x.qcow2'/><target dev='vda'/></disk>
</devices></domain>"""


@pytest.fixture
def domain(test_driver: Hypervisor) -> Domain:
    """A VM that is off, with one qcow2 disk."""
    return test_driver.define(XML.format(name="kept"))


@pytest.mark.parametrize(
    ("which", "field"),
    [
        (OneMachine(), "name"),
        (OneMachine(""), "name"),
        (OneMachine("a/b"), "name"),
        (OneMachine(uuid="x"), "uuid"),
    ],
)
def test_what_means_no_vm_on_no_host_is_refused_by_its_field(
    test_driver: Hypervisor, which: OneMachine, field: str
) -> None:
    for act in (snapshots_of, lambda one, two: ensure_snapshot(one, two, SnapshotWish())):
        with pytest.raises(InvalidSpec) as caught:
            act(test_driver, which)
        assert caught.value.field == field


def test_a_vm_is_meant_by_its_name_its_uuid_or_both(test_driver: Hypervisor, domain: Domain) -> None:
    ensure_snapshot(test_driver, OneMachine(uuid=domain.uuid.upper()), SnapshotWish(snapshot="one"))

    for which in (OneMachine("kept"), OneMachine(uuid=domain.uuid), OneMachine("kept", domain.uuid)):
        told = snapshots_of(test_driver, which)
        assert (told["exists"], told["name"], told["uuid"]) == (True, "kept", domain.uuid)
        assert [one["name"] for one in told["snapshots"]] == ["one"]
    with pytest.raises(InvalidSpec, match="the VM with that UUID is named 'kept'"):
        snapshots_of(test_driver, OneMachine("other", domain.uuid))


def test_a_vm_that_is_not_there_is_told_of_has_no_snapshot_to_remove_and_else_is_an_error(
    test_driver: Hypervisor,
) -> None:
    nobody = str(uuids.uuid4())
    assert snapshots_of(test_driver, OneMachine("nobody")) == {"exists": False, "name": "nobody", "snapshots": []}
    assert snapshots_of(test_driver, OneMachine(uuid=nobody)) == {"exists": False, "uuid": nobody, "snapshots": []}

    gone = ensure_snapshot(test_driver, OneMachine("nobody"), SnapshotWish("absent", "one"))
    assert (gone["changed"], gone["vm"], gone["snapshot"], gone["removed"]) == (False, None, None, [])
    for wish in (SnapshotWish(), SnapshotWish("reverted", "one")):
        with pytest.raises(MachineNotFound) as caught:
            ensure_snapshot(test_driver, OneMachine("nobody"), wish)
        assert caught.value.field == "name"


def test_one_snapshot_is_told_of_or_none_of_that_name(test_driver: Hypervisor, domain: Domain) -> None:
    for name in ("one", "two"):
        ensure_snapshot(test_driver, OneMachine("kept"), SnapshotWish(snapshot=name, description=f"the {name}"))

    (one,) = snapshots_of(test_driver, OneMachine("kept"), "one")["snapshots"]
    assert (one["name"], one["description"], one["children"], one["current"]) == ("one", "the one", ["two"], False)
    assert snapshots_of(test_driver, OneMachine("kept"), "three")["snapshots"] == []
    assert Snapshots(domain).find("three") is None
    with pytest.raises(SnapshotNotFound):
        Snapshots(domain).remove("three")


def test_a_revert_keeps_the_record_of_now_and_the_series_of_the_snapshot(
    test_driver: Hypervisor, domain: Domain
) -> None:
    def record(description: str) -> Record:
        return Record(uuid=domain.uuid, created="2024-05-06T07:08:09Z", description=description)

    domain.set_record(record("old"))
    ensure_snapshot(test_driver, OneMachine("kept"), SnapshotWish(snapshot="one", series="s"))
    domain.set_record(record("new"))

    answer = ensure_snapshot(test_driver, OneMachine("kept"), SnapshotWish("reverted", "one"))

    assert (answer["vm"]["status"], answer["vm"]["description"]) == ("stopped", "new")
    assert read_domain(domain.xml(inactive=True)).record == record("new")
    assert "hostler-snapshot" not in domain.xml()
    assert snapshots_of(test_driver, OneMachine("kept"))["snapshots"][0]["series"] == "s"


def test_what_fails_after_one_was_taken_says_that_it_stays(
    test_driver: Hypervisor, domain: Domain, monkeypatch: pytest.MonkeyPatch
) -> None:
    ensure_snapshot(test_driver, OneMachine("kept"), SnapshotWish(snapshot="old", series="s"))

    def fails(_self: Snapshots, name: str) -> None:
        raise MachineNotFound(f"no {name}")

    monkeypatch.setattr(Snapshots, "remove", fails)
    with pytest.raises(
        Exception, match=r"no old; and not all could be put back: snapshot 'new', which was taken, stays"
    ):
        ensure_snapshot(test_driver, OneMachine("kept"), SnapshotWish(snapshot="new", series="s", keep=1))

    assert [one.name for one in Snapshots(domain).all()] == ["old", "new"]
