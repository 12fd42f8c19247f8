# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshot XML read, written, and marked in place."""

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.snapshot import (
    read_snapshot,
    snapshot_xml,
    with_record,
    with_series,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.identity import Record
from ansible_collections.hostler.libvirt.plugins.module_utils.snapshot import Snapshot, SnapshotDisk
from tests.core.machines import FULL_RECORD, RECORD, UUID

HOSTILE = """a <b> & "c" ]]> 'd' é"""

# as libvirt 9.0 writes it of a VM that ran: as it ran, and as it would have started next
DOMAIN = f"""<domain type='qemu'>
    <name>web-1</name>
    <uuid>{UUID}</uuid>
    <metadata xmlns:h="urn:hostler:vm:1" xmlns:other="urn:other">
      <h:vm version="1"><h:uuid>{UUID}</h:uuid><h:created>then</h:created><h:revision>1</h:revision></h:vm>
      <!-- a comment -->
      <other:thing xmlns:other="urn:other">kept</other:thing>
    </metadata>
    <memory unit='KiB'>131072</memory>
    <vcpu>VCPUS</vcpu>
    <devices>
      <disk type='file' device='disk'><driver type='qcow2'/><source file='/disks/a'/><target dev='vda'/></disk>
    </devices>
  </domain>"""
XML = f"""<domainsnapshot>
  <name>one</name>
  <description>before</description>
  <state>running</state>
  <parent>
    <name>zero</name>
  </parent>
  <creationTime>1714979289</creationTime>
  <memory snapshot='external' file='/disks/m'/>
  <disks>
    <disk name='vda' snapshot='external' type='file'><driver type='qcow2'/><source file='/disks/o'/></disk>
    <disk name='sda' snapshot='no'/>
    <disk name='sdb' snapshot='none'/>
  </disks>
  {DOMAIN.replace("VCPUS", "1")}
  {DOMAIN.replace("VCPUS", "2").replace("domain type", "inactiveDomain type").replace("</domain>", "</inactiveDomain>")}
</domainsnapshot>"""


def test_all_of_it_is_read_and_the_vm_is_what_it_would_have_started_as() -> None:
    found = read_snapshot(XML, current=True)

    assert (found.name, found.description, found.parent, found.created) == ("one", "before", "zero", 1714979289)
    assert (found.libvirt_state, found.memory, found.memory_file) == ("running", "external", "/disks/m")
    assert found.disks == (
        SnapshotDisk("vda", "external", "/disks/o"), SnapshotDisk("sda", "no"), SnapshotDisk("sdb", "no"),
    )  # fmt: skip
    assert found.domain is not None
    assert (found.domain.vcpus, found.domain.record) == (2, Record(uuid=UUID, created="then"))
    assert [disk.path for disk in found.frozen_disks] == ["/disks/a"]
    assert (found.current, found.series) == (True, None)


def test_one_that_says_nothing_of_its_vm_is_read_as_well() -> None:
    """As libvirt before 0.9.5 wrote them: a UUID is all that there is."""
    xml = f"<domainsnapshot><name>old</name><state>shutoff</state><domain><uuid>{UUID}</uuid></domain></domainsnapshot>"

    assert read_snapshot(xml).domain is not None
    bare = read_snapshot("<domainsnapshot><name>old</name></domainsnapshot>")
    assert (bare.domain, bare.memory, bare.created, bare.frozen_disks) == (None, "no", 0, ())


def test_what_is_to_be_taken_is_read_again_as_what_it_was() -> None:
    wanted = Snapshot(
        name="one",
        created=0,
        libvirt_state="",
        description=HOSTILE,
        memory="external",
        memory_file="/disks/<&>",
        disks=(SnapshotDisk("vda", "external", "/disks/o"), SnapshotDisk("sda", "no"), SnapshotDisk("vdb", "internal")),
    )

    assert read_snapshot(snapshot_xml(wanted)) == wanted
    plain = Snapshot("two", 0, "", disks=(SnapshotDisk("vda", "internal"),))
    assert read_snapshot(snapshot_xml(plain)) == plain


def test_the_record_of_now_takes_the_place_of_that_of_then_in_both_definitions_and_all_else_stays() -> None:
    marked = with_record(XML, FULL_RECORD)

    found = read_snapshot(marked)
    assert found.domain is not None
    assert found.domain.record == FULL_RECORD
    assert "then" not in marked
    assert marked.count("Debian 12") == 2
    assert marked.count(">kept</other:thing>") == 2
    assert marked.count("<!-- a comment -->") == 2
    assert with_record(marked, FULL_RECORD) == marked
    back = read_snapshot(with_record(marked, Record(uuid=UUID, created="then")))
    assert back == read_snapshot(XML)


def test_a_vm_without_a_record_leaves_none_in_its_snapshot() -> None:
    marked = with_record(XML, None)

    found = read_snapshot(marked)
    assert found.domain is not None
    assert found.domain.record is None
    assert marked.count(">kept</other:thing>") == 2
    no_metadata = "<domainsnapshot><name>a</name><domain><name>x</name></domain></domainsnapshot>"
    assert with_record(no_metadata, None) == no_metadata
    assert "What it is for" in with_record(no_metadata, FULL_RECORD)


def test_a_series_is_that_of_the_snapshot_which_it_names_and_of_no_other() -> None:
    marked = with_series(XML, "one", "nightly")

    assert read_snapshot(marked).series == "nightly"
    assert read_snapshot(with_record(marked, RECORD)).series == "nightly"
    assert read_snapshot(with_series(marked, "one", "weekly")).series == "weekly"
    by_hand = marked.replace("<name>one</name>", "<name>by-hand</name>")
    assert read_snapshot(by_hand).series is None
