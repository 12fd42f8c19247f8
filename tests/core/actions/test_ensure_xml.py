# SPDX-License-Identifier: GPL-3.0-or-later
"""VMs from XML that a user brings, on a real host: made, known again, defined anew when either side is another."""

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.ensure import ensure
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostlerError, InvalidSpec, NameTaken
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.identity import Record
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.desired import Desired
from lab.host import Host
from tests.core.actions.guests import desired, everything_on, made, named
from tests.core.actions.test_ensure_further import said
from tests.core.machines import OTHER_UUID, UUID

pytestmark = pytest.mark.lab

XML = """<?xml version="1.0" encoding="latin-1"?>
<!-- of the site's own -->
<domain type="{type}" xmlns:qemu="http://libvirt.org/schemas/domain/qemu/1.0">
  <name>own</name>
  <title>Größe</title>
  <metadata><site:owner xmlns:site="urn:site">ada</site:owner></metadata>
  <memory unit="MiB">64</memory>
  <os><type arch="x86_64" machine="q35">hvm</type></os>
  <devices>
    <interface type="user"/>
    <interface type="user"><mac address="52:54:00:AA:00:01"/></interface>
    <graphics type="vnc" passwd="s3cret"/>
    <video><model type="vga"/></video>
  </devices>
  <qemu:commandline><qemu:arg value="-name"/><qemu:arg value="guest=hunter2"/></qemu:commandline>
</domain>
"""


def wanted(xml: str, **options: Any) -> Desired:
    return Desired(options.pop("spec", {}), xml=xml, **options)


def brought(hypervisor: Hypervisor, one: Desired) -> dict[str, Any]:
    """What check mode foretells, a run does, and a second run finds done."""
    foretold = ensure(hypervisor, one, check=True)
    done = ensure(hypervisor, one)
    assert said(done) == said(foretold)
    assert foretold["changed"]
    again = ensure(hypervisor, one)
    assert (again["changed"], again["diff"]) == (False, {"before": {}, "after": {}})
    assert "s3cret" not in str([foretold, done, again])
    return done


def record_of(hypervisor: Hypervisor) -> Record:
    record = named(hypervisor, "own").record
    assert record is not None
    return record


def test_a_vm_is_what_its_xml_says_until_either_is_another(hypervisor: Hypervisor, lab_host: Host) -> None:
    xml = XML.format(type=lab_host.virt_type)
    answer = brought(hypervisor, wanted(xml, spec={"name": "own", "tags": ["mine"], "autostart": True}, owner="ada"))
    assert "guest=hunter2" not in str(answer)
    assert "Größe" in answer["diff"]["after"]["xml"]
    uuid = answer["vm"]["uuid"]
    domain = hypervisor.domain(uuid)
    definition = domain.xml(inactive=True, secure=True)
    assert "<title>Größe</title>" in definition
    assert "passwd='s3cret'" in definition
    assert ">ada</site:owner>" in definition
    record = record_of(hypervisor)
    assert (record.owner, record.tags, record.revision) == ("ada", ("mine",), 1)
    cards = [card.mac_address for card in named(hypervisor, "own").definition.interfaces]

    # how it is laid out is no change, and what is no part of it stays
    assert ensure(hypervisor, wanted(xml.replace("\n  ", "\n\t")))["changed"] is False
    ensure(hypervisor, Desired({"name": "own", "description": "x"}))
    assert ensure(hypervisor, wanted(xml))["changed"] is False

    # another XML, though only another password
    more = xml.replace("64</memory>", "80</memory>")
    answer = brought(hypervisor, wanted(more))
    assert "<memory unit='KiB'>65536" in answer["diff"]["before"]["xml"].replace('"', "'")
    assert answer["next_boot"] == []
    brought(hypervisor, wanted(more.replace("s3cret", "s3cret-2")))
    brought(hypervisor, wanted(more))
    # another definition
    ensure(hypervisor, Desired({"name": "own", "memory_mb": 96}))
    brought(hypervisor, wanted(more))
    hypervisor.redefine(domain.xml(inactive=True, secure=True).replace("s3cret", "by-hand"))
    brought(hypervisor, wanted(more))

    vm = named(hypervisor, "own")
    assert (vm.uuid, vm.memory_kib, vm.autostart) == (uuid, 80 * 1024, True)
    assert [card.mac_address for card in vm.definition.interfaces] == cards
    record = record_of(hypervisor)
    assert (record.owner, record.tags, record.description) == ("ada", ("mine",), "x")

    # a VM that runs goes on as it is
    ensure(hypervisor, wanted(more, state="running"))
    answer = brought(hypervisor, wanted(xml))
    assert answer["next_boot"] == ["xml"]
    running = named(hypervisor, "own").running
    assert running is not None
    assert running.memory_kib == 80 * 1024
    answer = ensure(hypervisor, wanted(xml, state="restarted", force_after=0))
    assert answer["vm"]["status"] == "running"
    assert ensure(hypervisor, wanted(xml, state="absent"))["changed"] is True
    assert hypervisor.find_domain(uuid) is None


def test_a_vm_that_was_made_otherwise_can_be_given_xml_and_its_own_is_no_other(
    hypervisor: Hypervisor, lab_host: Host
) -> None:
    vm = made(hypervisor, desired(lab_host, "own", description="kept", tags=["kept"]))
    path = vm.disks[0].path
    own = hypervisor.domain(vm.uuid).xml(inactive=True)

    assert ensure(hypervisor, wanted(own))["changed"] is True  # once, to know it again
    assert ensure(hypervisor, wanted(own))["changed"] is False
    record = record_of(hypervisor)
    assert (record.description, record.tags, record.uuid) == ("kept", ("kept",), vm.uuid)
    assert named(hypervisor, "own").definition.disks == vm.definition.disks

    # an XML that libvirt refuses changes nothing
    before = hypervisor.domain(vm.uuid).xml(inactive=True)
    with pytest.raises(HostlerError) as caught:
        ensure(hypervisor, wanted(own.replace("<on_crash>destroy", "<on_crash>explode")))
    assert caught.value.field == "xml"
    assert hypervisor.domain(vm.uuid).xml(inactive=True) == before
    assert path is not None
    assert Path(path).exists()


def test_a_start_that_fails_leaves_nothing_of_the_vm_and_all_of_its_disk(
    hypervisor: Hypervisor, lab_host: Host
) -> None:
    disk = made(hypervisor, desired(lab_host, "lender")).disks[0].path or ""
    hypervisor.domain(named(hypervisor, "lender").uuid).undefine()
    before = everything_on(hypervisor)
    devices = (
        "<devices><disk type='file'><driver name='qemu' type='qcow2'/>"
        f"<source file='{disk}'/><target dev='vda'/></disk>"
        "<filesystem type='mount' accessmode='passthrough'><driver type='virtiofs'/><source dir='/nowhere'/>"
        "<target dir='x'/></filesystem>"
    )
    xml = XML.format(type=lab_host.virt_type).replace("<devices>", devices)

    with pytest.raises(HostlerError):
        ensure(hypervisor, wanted(xml, state="running"))

    assert everything_on(hypervisor) == before
    assert Path(disk).exists()


def test_a_uuid_in_the_xml_is_the_vms(hypervisor: Hypervisor, lab_host: Host) -> None:
    xml = XML.format(type=lab_host.virt_type).replace("</name>", f"</name><uuid>{UUID.upper()}</uuid>")
    assert ensure(hypervisor, wanted(xml))["vm"]["uuid"] == UUID
    assert ensure(hypervisor, wanted(xml, uuid=UUID))["changed"] is False
    with pytest.raises(NameTaken):
        ensure(hypervisor, wanted(xml.replace(UUID.upper(), OTHER_UUID)))
    with pytest.raises(InvalidSpec, match="name: the VM with that UUID is named 'own'"):
        ensure(hypervisor, wanted(xml.replace("<name>own", "<name>other")))


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        (("</devices>", ""), "xml", r"can't be read: mismatched tag in line \d+, column \d+"),
        (
            ("<domain ", "<!DOCTYPE domain [<!ENTITY x SYSTEM '/etc/passwd'>]><domain "),
            "xml",
            "no document type",
        ),
        (('<memory unit="MiB">64</memory>', ""), "xml", "memory"),
        (("q35", "pc-q35-0.1"), "xml", "pc-q35-0.1"),
        (("<os>", "<unknown/><os>"), "xml", "unknown"),
    ],
)
def test_what_is_no_domain_is_refused_before_anything_is_touched(
    hypervisor: Hypervisor, lab_host: Host, change: tuple[str, str], field: str, message: str
) -> None:
    before = everything_on(hypervisor)
    with pytest.raises(HostlerError, match=message) as caught:
        ensure(hypervisor, wanted(XML.format(type=lab_host.virt_type).replace(*change)))
    assert caught.value.field == field
    assert everything_on(hypervisor) == before


@pytest.mark.slow
def test_what_libvirt_adds_when_a_vm_starts_is_no_change(hypervisor: Hypervisor, lab_host: Host) -> None:
    """A UEFI guest gets its variables, one with a TPM its state, and each device of a kind that is new its place."""
    tpm = "<tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm><sound model='ich9'/>"
    xml = XML.format(type=lab_host.virt_type).replace("<os>", "<os firmware='efi'>").replace("<video>", f"{tpm}<video>")
    xml = xml.replace("64</memory>", "160</memory>").replace("</os>", "</os><features><acpi/></features>")

    for state in ("present", "running", "running", "restarted", "stopped", "stopped"):
        answer = ensure(hypervisor, wanted(xml, state=state, force_after=0))
        assert "xml" not in answer["diff"]["after"] or state == "present", state
    assert ensure(hypervisor, wanted(xml))["changed"] is False
