# SPDX-License-Identifier: GPL-3.0-or-later
"""Pool XML: what is written is what libvirt reads, and what others wrote survives a change."""

import dataclasses

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.domain_xml.document import parse
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.storage_pools import StoragePools
from ansible_collections.hostler.libvirt.plugins.module_utils.storage_pool import PoolAuth, PoolDefinition, PoolSource
from ansible_collections.hostler.libvirt.plugins.module_utils.storage_xml.pool import (
    changed_pool,
    host_and_port,
    pool_xml,
    read_pool,
)

CHAP = PoolAuth("chap", "me & you", secret_usage="iscsi <target>")
CEPH = PoolAuth("ceph", "admin", secret_uuid="2ec115d7-3a88-3ceb-bc12-0ac909a6fd87")
DEFINITIONS = [
    PoolDefinition("d", "dir", path="/srv/d & e", mode="0711", owner=0, group=7),
    PoolDefinition("f", "fs", path="/mnt/f", source=PoolSource(devices=("/dev/sdx1",), format="ext4")),
    PoolDefinition(
        "n", "netfs", path="/mnt/n", source=PoolSource(hosts=("nfs.example.com",), path="/export", format="nfs")
    ),
    PoolDefinition("i", "iscsi", path="/dev/disk/by-path", source=PoolSource(
        hosts=("[2001:db8::1]:3260",), devices=("iqn.2013-06.com.example:t1",), auth=CHAP
    )),
    PoolDefinition("k", "disk", path="/dev", source=PoolSource(devices=("/dev/sdx",), format="gpt")),
]  # fmt: skip
# this machine's libvirt is built without Ceph
RBD = PoolDefinition("r", "rbd", source=PoolSource(hosts=("mon1:6789", "mon2"), name="images", auth=CEPH))


@pytest.mark.parametrize("definition", [*DEFINITIONS, RBD], ids=lambda one: one.type)
def test_what_is_written_is_read_again(definition: PoolDefinition) -> None:
    assert read_pool(pool_xml(definition)) == definition


@pytest.mark.lab
def test_libvirt_reads_what_is_written_as_it_was_meant(hypervisor: Hypervisor) -> None:
    pools = StoragePools(hypervisor)
    for definition in DEFINITIONS:
        pools.define(pool_xml(definition), checked=True)
        pool = pools.get(definition.name)
        try:
            seen = pool.observe()
            assert dataclasses.replace(seen.definition, uuid=None) == definition
            assert (seen.state, seen.persistent, seen.autostart, seen.fill) == ("inactive", True, False, None)
        finally:
            pool.undefine()


def test_a_change_touches_only_what_changes() -> None:
    xml = """<pool type='netfs' xmlns:fs='urn:x'><name>n</name><uuid>u</uuid><!-- why -->
    <source><host name='a'/><dir path='/e'/><format type='nfs'/><protocol ver='4'/></source>
    <target><path>/mnt/n</path></target><fs:mount_opts><fs:option name='soft'/></fs:mount_opts></pool>"""

    after = changed_pool(xml, dataclasses.replace(read_pool(xml), path="/mnt/other"))

    assert after == xml.replace("/mnt/n", "/mnt/other").replace("'", '"').replace('"/>', '" />')


def test_a_setting_that_is_left_out_is_taken_away() -> None:
    xml = pool_xml(DEFINITIONS[3])

    after = changed_pool(xml, dataclasses.replace(DEFINITIONS[3], source=PoolSource(hosts=("other",), initiator="iqn")))

    root = parse(after)
    assert root.find("source/auth") is None
    assert root.findall("source/device") == []
    assert read_pool(after).source == PoolSource(hosts=("other",), initiator="iqn")


@pytest.mark.parametrize(
    ("host", "parts"),
    [
        ("nfs.example.com", ("nfs.example.com", None)),
        ("nfs.example.com:2049", ("nfs.example.com", "2049")),
        ("192.0.2.1:3260", ("192.0.2.1", "3260")),
        ("[2001:db8::1]:3260", ("2001:db8::1", "3260")),
        ("[2001:db8::1]", ("2001:db8::1", None)),
        ("2001:db8::1", ("2001:db8::1", None)),
    ],
)
def test_a_host_may_have_a_port(host: str, parts: tuple[str, str | None]) -> None:
    assert host_and_port(host) == parts
