# SPDX-License-Identifier: GPL-3.0-or-later
"""What the guide from community.libvirt says is here instead: its examples as they stand, and its tables' options."""

import json
import os
import shutil
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from lab.host import Host
from lab.subnets import further_subnet, taken_subnets
from tests.collection.conftest import Ansible
from tests.collection.migration_guide import examples, tasks
from tests.collection.module_examples import preparation_of
from tests.core.actions.guests import swept
from tests.core.actions.pools import pools_swept
from tests.core.web import served

pytestmark = [
    pytest.mark.lab,
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="a user's hosts have no network"),
]

AROUND = yaml.safe_load(preparation_of("from_community_libvirt").read_text())
IMAGE = "debian-12.qcow2"


@pytest.fixture
def addresses(lab_host: Host) -> Iterator[dict[str, str]]:
    """What the addresses in the examples stand for, by the address; the web server has the image and its checksum."""
    content = lab_host.image_path.read_bytes()
    subnet = further_subnet(lab_host.layout.lab.id, taken_subnets())
    with served() as web:
        web.files = {f"/{IMAGE}": content, "/SHA256SUMS": f"{sha256(content).hexdigest()}  {IMAGE}\n".encode()}
        stand_for = {
            "web": web.url,
            "further_bridge": f"{lab_host.layout.further_bridge}m",
            "further_prefix": str(subnet[0]).removesuffix("0"),
        }
        yield {"qemu:///system": lab_host.uri} | {one: stand_for[what] for one, what in AROUND["addresses"].items()}


@pytest.fixture
def site(lab_host: Host) -> Iterator[Host]:
    """The lab's host, with the image; what a test leaves there is removed."""
    with Hypervisor.open(lab_host.uri) as hypervisor:
        disks = Path(hypervisor.pool("default").type_and_path()[1])
    with pools_swept(lab_host.uri), swept(lab_host.uri):
        shutil.copyfile(lab_host.image_path, disks / IMAGE)
        lab_host.virsh("pool-refresh", "default")
        yield lab_host


def written(content: Any, path: Path, addresses: dict[str, str]) -> Path:
    """The file, with that content as YAML and its addresses replaced."""
    text = yaml.safe_dump(content, sort_keys=False, width=1000)
    for address, stands_for in addresses.items():
        text = text.replace(address, stands_for)
    path.write_text(text)
    return path


def play_of(site: Host, *steps: dict[str, Any]) -> list[dict[str, Any]]:
    """A play of them for guests that are emulated here, which no example should have to say."""
    return [
        {
            "hosts": "localhost",
            "gather_facts": False,
            "vars": {"virt_type": site.virt_type},
            "module_defaults": {"hostler.libvirt.vm": {"virt_type": site.virt_type}},
            "tasks": list(steps),
        }
    ]


def test_the_guide_s_examples_run_as_they_stand(
    site: Host, addresses: dict[str, str], ansible: Ansible, tmp_path: Path
) -> None:
    ours = [task for task in tasks() if not any(key.startswith("community.libvirt.") for key in task)]
    play = play_of(site, *AROUND["before"], *ours, *AROUND["after"])

    done = ansible(written(play, tmp_path / "play.yml", addresses), timeout=600)

    assert done.code == 0, done.output
    assert "skipped=0" in done.output
    assert len(ours) > 25
    (config,) = [one for one in examples() if isinstance(one, dict) and one["plugin"].startswith("hostler.")]
    (guest,) = [one for one in examples() if isinstance(one, list) and "hosts" in one[0]]
    inventory = written(config, tmp_path / "lab.vms.yml", addresses)
    done = ansible("-i", inventory, "--list", "--output", tmp_path / "shown.json", program="ansible-inventory")
    assert done.code == 0, done.output
    shown = json.loads((tmp_path / "shown.json").read_text())
    assert shown["large"]["hosts"] == ["beta"]
    assert shown["_meta"]["hostvars"]["beta"]["hostler_vm"]["ip_address"]
    done = ansible("-i", inventory, written(guest, tmp_path / "guest.yml", addresses), "-v")
    assert done.code == 0, done.output
    assert "This is beta" in done.output
    uuid = shown["_meta"]["hostvars"]["beta"]["hostler_uuid"]["__ansible_unsafe"]
    inventory = written(AROUND["inventory"], tmp_path / "uuid.vms.yml", {**addresses, "UUID-OF-BETA": uuid})
    done = ansible("-i", inventory, "--graph", program="ansible-inventory")
    assert f"|--{uuid}" in done.output


def test_options_of_the_guide_s_tables_that_no_example_gives_do_something(
    site: Host, addresses: dict[str, str], ansible: Ansible, tmp_path: Path
) -> None:
    (tmp_path / "device").write_bytes(bytes(64 << 20))
    medium = tmp_path / "guide.iso"
    medium.write_bytes(bytes(1 << 20))
    play = play_of(site, *AROUND["further"])

    done = ansible(written(play, tmp_path / "play.yml", {**addresses, "/srv/guide.iso": str(medium)}), timeout=600)

    assert done.code == 0, done.output
    (recap,) = [line for line in done.output.splitlines() if line.startswith("localhost ")]
    assert f"changed={len(AROUND['further'])} " in recap, done.output
