# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a pool changes, when, and what can't."""

import dataclasses
from typing import Any

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    HostlerError,
    InvalidSpec,
    PoolNotFound,
    Unsupported,
    WrongState,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.pool import PoolContent, PoolPlan, plan_pool
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.pool_steps import (
    BuildPool,
    DefinePool,
    DeletePoolVolumes,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Applies
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.wanted_pool import validate_pool
from ansible_collections.hostler.libvirt.plugins.module_utils.storage_pool import (
    ObservedPool,
    PoolDefinition,
    PoolSource,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.storage_xml.pool import pool_xml, read_pool
from tests.core.plan.test_wanted_pool import wanted

UUID = "8528dc99-beea-4160-b69e-0ef078bb45a7"
DIR = PoolDefinition("disks", "dir", UUID, path="/srv/disks", mode="0755", owner=0, group=0)
NETFS = PoolDefinition("far", "netfs", UUID, path="/mnt/far", source=PoolSource(hosts=("a",), path="/e"))
FOLDER = {"type": "dir", "path": "/srv/disks"}


def there(definition: PoolDefinition = DIR, active: bool = False, **known: Any) -> ObservedPool:
    """That pool as it is."""
    xml = pool_xml(definition).replace("<name>", f"<uuid>{UUID}</uuid><name>")
    return ObservedPool(definition, xml, running=definition if active else None, **known)


def planned(found: ObservedPool | None, content: PoolContent | None = None, **options: Any) -> PoolPlan:
    """What is to be done."""
    name = "disks" if found is None else found.name
    options = options if "xml" in options else {"name": name, **options}
    return plan_pool(found, validate_pool(wanted(**options)), content or PoolContent())


def done(plan: PoolPlan) -> list[str]:
    """The kinds of its steps."""
    return [type(step.operation).__name__ for step in plan.plan.steps]


def test_a_new_pool_is_defined_made_and_started_in_this_order() -> None:
    plan = planned(None, **FOLDER, state="active", autostart=True, mode="0711")

    assert done(plan) == ["DefinePool", "SetPoolAutostart", "BuildPool", "StartPool"]
    assert plan.plan.before == {}
    assert plan.plan.after == {
        "name": "disks", "type": "dir", "path": "/srv/disks", "mode": "0711", "autostart": True, "state": "active",
    }  # fmt: skip


def test_a_new_pool_of_which_no_more_is_said_is_inactive_and_nothing_is_made_on_devices() -> None:
    plan = planned(None, type="logical")

    assert done(plan) == ["DefinePool"]
    (define,) = [step.operation for step in plan.plan.steps]
    assert isinstance(define, DefinePool)
    assert read_pool(define.xml).source.name == "disks"
    assert plan.plan.after["state"] == "inactive"


@pytest.mark.parametrize(
    ("build", "modes"), [("none", []), ("folder", ["folder"]), ("new", ["new"]), ("overwrite", ["overwrite"])]
)
def test_what_is_made_for_a_new_pool_is_what_is_asked_for(build: str, modes: list[str]) -> None:
    plan = planned(None, type="fs", path="/mnt/x", source={"devices": ["/dev/x"]}, build=build)

    made = [step.operation for step in plan.plan.steps if isinstance(step.operation, BuildPool)]
    assert [one.mode for one in made] == modes
    assert all(one.what == ("/mnt/x" if build == "folder" else "/dev/x") for one in made)


@pytest.mark.parametrize(("kind", "path"), [("disk", "/dev"), ("iscsi", "/dev/disk/by-path")])
def test_usual_folders_need_not_be_said(kind: str, path: str) -> None:
    source = {"devices": ["x"], **({"hosts": ["h"]} if kind == "iscsi" else {})}

    assert planned(None, type=kind, source=source).plan.after["path"] == path


def test_a_pool_that_is_not_there_can_only_be_made_of_a_type() -> None:
    with pytest.raises(PoolNotFound, match="type says") as caught:
        planned(None, state="active")
    assert caught.value.field == "type"


@pytest.mark.parametrize("active", [True, False])
def test_what_is_as_wanted_or_not_named_stays(active: bool) -> None:
    found = there(active=active, autostart=True)

    assert done(planned(found, **FOLDER)) == []
    assert done(planned(found)) == []
    assert done(planned(found, autostart=True, mode="0755")) == []
    assert done(planned(found, state="active" if active else "inactive")) == []


def test_a_change_of_an_active_pool_waits_for_its_next_start_and_says_so_again() -> None:
    found = there(NETFS, active=True)

    plan = planned(found, source={"hosts": ["b"]})

    assert [step.applies for step in plan.plan.steps] == [Applies.NEXT_START]
    assert (plan.plan.before, plan.plan.after) == ({"source.hosts": ["a"]}, {"source.hosts": ["b"]})
    assert plan.next_start == ["source.hosts"]
    (define,) = [step.operation for step in plan.plan.steps]
    assert isinstance(define, DefinePool)
    assert define.before == found.xml
    changed = read_pool(define.xml)
    assert (changed.source, changed.uuid) == (PoolSource(hosts=("b",), path="/e"), UUID)
    again = planned(dataclasses.replace(found, definition=changed, xml=define.xml), source={"hosts": ["b"]})
    assert (done(again), again.next_start) == ([], ["source.hosts"])


def test_a_pool_that_is_stopped_waits_for_nothing() -> None:
    plan = planned(there(NETFS, active=True), source={"hosts": ["b"]}, state="inactive")

    assert done(plan) == ["DefinePool", "StopPool"]
    assert plan.next_start == []
    assert {step.applies for step in plan.plan.steps} == {Applies.NOW}


def test_another_folder_of_an_inactive_pool_is_made() -> None:
    assert done(planned(there(), path="/srv/other", state="active")) == ["DefinePool", "BuildPool", "StartPool"]
    assert done(planned(there(), path="/srv/other", build="none")) == ["DefinePool"]


def test_a_pool_that_only_runs_is_defined() -> None:
    plan = planned(there(active=True, persistent=False))

    assert done(plan) == ["DefinePool"]
    assert (plan.plan.before, plan.plan.after) == ({"persistent": False}, {"persistent": True})


@pytest.mark.parametrize(
    ("found", "options", "kind", "field"),
    [
        (there(), {"type": "fs"}, InvalidSpec, "type"),
        (there(), {"source": {"hosts": ["h"]}}, InvalidSpec, "source.hosts"),
        (there(active=True), {"mode": "0700"}, WrongState, "mode"),
        (there(active=True), {"owner": 5}, WrongState, "owner"),
        (there(), {"xml": "<pool type='fs'><name>disks</name></pool>"}, InvalidSpec, "xml"),
        (there(), {"xml": f"<pool type='dir'><name>disks</name><uuid>{UUID[::-1]}</uuid></pool>"}, InvalidSpec, "xml"),
    ],
)
def test_what_of_a_pool_that_is_there_cant_be_changed_is_named(
    found: ObservedPool, options: dict[str, Any], kind: type[HostlerError], field: str
) -> None:
    with pytest.raises(kind) as caught:
        planned(found, **options)
    assert caught.value.field == field


def test_xml_that_says_the_same_changes_nothing_and_other_xml_all_of_it() -> None:
    found = there(active=True)
    same = "<pool type='dir'><name>disks</name><target><path>/srv/disks/</path></target></pool>"

    assert done(planned(found, xml=same)) == []
    plan = planned(found, xml=same.replace("/srv/disks", "/srv/other"))
    assert done(plan) == ["DefinePool"]
    assert plan.plan.after == {"xml": ["target/path = /srv/other"]}
    assert plan.next_start == ["xml"]


def test_absent_stops_and_undefines_and_keeps_the_content() -> None:
    assert done(planned(there(active=True), state="absent")) == ["StopPool", "UndefinePool"]
    assert done(planned(there(), state="absent")) == ["UndefinePool"]
    assert done(planned(there(active=True, persistent=False), state="absent")) == ["StopPool"]
    assert done(planned(None, state="absent")) == []


def test_content_goes_before_its_pool_is_stopped_where_that_is_asked_for() -> None:
    content = PoolContent(volumes=("/srv/disks/b", "/srv/disks/a"))

    plan = planned(there(active=True), content, state="absent", delete_content=True)

    assert done(plan) == ["DeletePoolVolumes", "StopPool", "DeletePool", "UndefinePool"]
    (volumes,) = [step.operation for step in plan.plan.steps if isinstance(step.operation, DeletePoolVolumes)]
    assert volumes.paths == content.volumes
    assert plan.plan.before["volumes"] == ["/srv/disks/a", "/srv/disks/b"]


@pytest.mark.parametrize(
    ("found", "content", "kind", "says"),
    [
        (there(NETFS, active=True), PoolContent(), Unsupported, "of type netfs"),
        (there(), PoolContent(), WrongState, "must be active"),
        (
            dataclasses.replace(there(active=True), definition=dataclasses.replace(DIR, path="/srv/other")),
            PoolContent(),
            WrongState,
            r"another definition \(path\)",
        ),
        (there(active=True), PoolContent(folders=("keep",)), WrongState, "the folder 'keep'"),
        (there(active=True), PoolContent(unnamed=1), WrongState, "names are no text"),
        (
            there(active=True),
            PoolContent(volumes=("/a",), users={"/a": "VM 'web'"}),
            WrongState,
            "has /a, which VM 'web' uses",
        ),
    ],
)
def test_content_that_can_only_go_in_part_does_not_go(
    found: ObservedPool, content: PoolContent, kind: type[HostlerError], says: str
) -> None:
    with pytest.raises(kind, match=says) as caught:
        planned(found, content, state="absent", delete_content=True)
    assert caught.value.field == "delete_content"


@pytest.mark.parametrize("state", ["inactive", "absent"])
def test_a_pool_that_a_running_vm_needs_is_stopped_by_force_only(state: str) -> None:
    content = PoolContent(running_user="VM 'web'")

    with pytest.raises(WrongState, match="has a disk of VM 'web', which runs") as caught:
        planned(there(active=True), content, state=state)
    assert caught.value.field == "state"
    assert "StopPool" in done(planned(there(active=True), content, state=state, force=True))
