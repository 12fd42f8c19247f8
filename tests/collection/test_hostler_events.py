# SPDX-License-Identifier: GPL-3.0-or-later
"""The event source, run as ansible-rulebook runs it, and by ansible-rulebook itself."""

import asyncio
import os
import runpy
import shutil
import signal
import subprocess
import uuid as uuids
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.definition import DomainDefinition
from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.write import domain_xml
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.lifecycle import EVENTS, OTHER
from lab.host import Host
from tests.core.actions.guests import wait_until

REPO = Path(__file__).resolve().parents[2]
PLUGIN = REPO / "collections/ansible_collections/hostler/libvirt/extensions/eda/plugins/event_source/hostler_events.py"
SOURCE = runpy.run_path(str(PLUGIN))  # as ansible-rulebook does

pytestmark = [pytest.mark.lab, pytest.mark.anyio]


@pytest.fixture
def hypervisor(lab_host: Host) -> Iterator[Hypervisor]:
    with Hypervisor.open(lab_host.uri) as opened:
        yield opened


def shell(host: Host, name: str) -> str:
    """XML of a VM without disks, which runs without end."""
    machine = "q35" if host.virt_type in ("kvm", "qemu") else None
    return domain_xml(DomainDefinition(name, str(uuids.uuid4()), host.virt_type, 1, 64 * 1024, machine=machine))


@asynccontextmanager
async def told(**args: Any) -> AsyncIterator[asyncio.Queue[dict[str, Any]]]:
    """The source's events, while the block runs."""
    queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue(1)  # as large as ansible-rulebook's
    task = asyncio.create_task(SOURCE["main"](queue, args))
    try:
        yield queue
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def next_of(queue: asyncio.Queue[dict[str, Any]], timeout: float = 60) -> dict[str, Any]:
    """The next event; fails if none comes."""
    async with asyncio.timeout(timeout):
        return await queue.get()


async def test_an_event_has_the_shape_that_is_documented_and_only_what_is_asked_for_is_told(
    lab_host: Host, hypervisor: Hypervisor
) -> None:
    async with told(uris=[lab_host.uri], names=["eda-*"], events=["connected", "started", "stopped"]) as queue:
        connected = await next_of(queue)
        other = hypervisor.define(shell(lab_host, "other-1"))
        other.start()
        other.destroy()
        domain = hypervisor.define(shell(lab_host, "eda-1"))
        domain.start()
        started = await next_of(queue)
        domain.destroy()
        stopped = await next_of(queue)

    assert set(connected) == {"type", "event", "reason", "host", "uri", "time"}
    assert (connected["type"], connected["event"], connected["reason"]) == ("host", "connected", None)
    assert connected["uri"] == lab_host.uri
    assert set(started) == {"type", "event", "reason", "host", "uri", "time", "vm", "missed"}
    assert started["vm"] == {"name": "eda-1", "uuid": domain.uuid}
    assert (started["type"], started["event"], started["reason"]) == ("vm", "started", "booted")
    assert (stopped["event"], stopped["reason"], stopped["missed"]) == ("stopped", "destroyed", False)
    assert started["host"] == connected["host"]
    assert started["time"].endswith("Z")
    assert started["time"] <= stopped["time"]


@pytest.mark.slow
async def test_a_host_that_comes_back_is_followed_again_and_what_happened_meanwhile_is_told(
    lab_host: Host, hypervisor: Hypervisor
) -> None:
    domain = hypervisor.define(shell(lab_host, "eda-2"))
    uuid = domain.uuid
    domain.start()
    events = ["connected", "disconnected", "started", "stopped"]
    async with told(uris=[lab_host.uri], names=["eda-2"], events=events, longest_pause=1) as queue:
        assert (await next_of(queue))["event"] == "connected"
        await asyncio.to_thread(lab_host.kill_libvirtd)
        lost = await next_of(queue)
        await asyncio.to_thread(lab_host.guest_process("eda-2").signal, signal.SIGKILL)
        await asyncio.to_thread(lab_host.start_libvirtd)
        back, gone = await next_of(queue), await next_of(queue)
        with Hypervisor.open(lab_host.uri) as again:
            again.domain(uuid).start()
            heard = await next_of(queue)
            again.domain(uuid).destroy()

    assert (lost["event"], lost["reason"]) == ("disconnected", "The connection to the host is lost")
    assert back["event"] == "connected"
    assert (gone["event"], gone["missed"], gone["vm"]["uuid"]) == ("stopped", True, uuid)
    assert (heard["event"], heard["missed"]) == ("started", False)


@pytest.mark.slow
async def test_a_host_that_falls_silent_is_told_of_and_followed_again(lab_host: Host) -> None:
    async with told(uris=[lab_host.uri], longest_pause=1) as queue:
        assert (await next_of(queue))["event"] == "connected"
        lab_host.pause_libvirtd()
        try:
            lost = await next_of(queue, timeout=120)
        finally:
            lab_host.continue_libvirtd()
        back = await next_of(queue)

    assert lost["event"] == "disconnected"
    assert back["event"] == "connected"


@pytest.mark.slow
async def test_a_host_that_is_not_there_is_told_of_once_and_keeps_no_other_waiting(lab_host: Host) -> None:
    nowhere = "qemu+unix:///system?socket=/nowhere"
    async with told(uris=[nowhere, lab_host.uri], longest_pause=1) as queue:
        first = {event["uri"]: event for event in [await next_of(queue), await next_of(queue)]}
        with pytest.raises(TimeoutError):
            await next_of(queue, timeout=3)  # it has been tried again by now

    assert first[lab_host.uri]["event"] == "connected"
    assert first[nowhere]["event"] == "disconnected"
    assert first[nowhere]["host"] is None
    assert "/nowhere" in first[nowhere]["reason"]


@pytest.mark.parametrize(
    ("args", "complaint"),
    [
        ({"hosts": []}, "hosts: hostler_events has no such argument"),
        ({"uris": "qemu:///system"}, "uris: should be a list of texts that are not empty"),
        ({"uris": []}, "uris: should name a host"),
        ({"uris": ["a", "a"]}, "uris: names a host twice"),
        ({"names": [1]}, "names: should be a list of texts that are not empty"),
        ({"events": ["died"]}, "events: there is no event 'died'"),
        ({"longest_pause": 0}, "longest_pause: should be a number of seconds, at least 1"),
        ({"longest_pause": True}, "longest_pause: should be a number of seconds, at least 1"),
        ({"longest_pause": float("nan")}, "longest_pause: should be a number of seconds, at least 1"),
    ],
)
async def test_a_wrong_argument_is_named(args: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError) as refused:
        await SOURCE["main"](asyncio.Queue(), args)

    assert str(refused.value) == complaint


def test_the_documentation_has_every_argument_and_every_event() -> None:
    options = yaml.safe_load(SOURCE["DOCUMENTATION"])["options"]

    assert list(options) == ["uris", "events", "names", "longest_pause"]
    assert options["events"]["choices"] == [*EVENTS, OTHER, *SOURCE["HOST_EVENTS"]]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("java") is None, reason="ansible-rulebook's rule engine is a Java program")
def test_ansible_rulebook_starts_a_guest_again_whose_qemu_is_killed(
    lab_host: Host, hypervisor: Hypervisor, tmp_path: Path
) -> None:
    """By the rulebook that the collection has, found by its name."""
    names = ("eda-crash", "eda-off")
    for name in names:
        hypervisor.define(shell(lab_host, name)).start()
    (tmp_path / "vars.yml").write_text(yaml.safe_dump({"libvirt_uris": [lab_host.uri], "vm_names": ["eda-*"]}))
    log = tmp_path / "log"
    command = [REPO / "scripts/ansible-rulebook", "--rulebook", "hostler.libvirt.start_crashed", "--inventory"]
    with log.open("w") as output:
        rulebook = subprocess.Popen(
            [*command, REPO / "inventory/example.ini", "--vars", "vars.yml", "--verbose"],
            cwd=tmp_path,
            env={**os.environ, "HOME": str(tmp_path)},
            stdout=output,
            stderr=output,
        )
    try:
        wait_until(lambda: listens(rulebook, log), "the rulebook listens", 240)
        crashed, off = (hypervisor.find_domain_named(name) for name in names)
        assert crashed is not None
        assert off is not None
        off.destroy()
        lab_host.guest_process("eda-crash").signal(signal.SIGKILL)
        wait_until(lambda: not crashed.is_active(), "libvirt notices")
        wait_until(crashed.is_active, "it runs again", 120)
        assert not off.is_active()
    finally:
        rulebook.send_signal(signal.SIGTERM)
        try:
            rulebook.wait(30)
        except subprocess.TimeoutExpired:
            rulebook.kill()
            rulebook.wait()


def listens(rulebook: "subprocess.Popen[bytes]", log: Path) -> bool:
    """Whether the rulebook's source has reached the host; fails with what it said when it has ended."""
    assert rulebook.poll() is None, log.read_text()
    return "is followed: " in log.read_text()
