# SPDX-License-Identifier: GPL-3.0-or-later
"""Every module's examples, run as they stand, in their order, on a host that has what they name.

The domain type is a default of the play: these guests are emulated, which no example should have to say. Addresses of
hosts are those of the lab.
"""

import os
import shutil
from collections.abc import Iterator
from hashlib import sha512
from pathlib import Path

import pytest
import yaml

from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from lab.config import MIGRATION_ADDRESS
from lab.host import Host
from lab.subnets import further_subnet, taken_subnets
from tests.collection.conftest import Ansible
from tests.collection.module_examples import examples_of, modules, preparation_of
from tests.core.actions.guests import swept
from tests.core.web import Web, served

pytestmark = [
    pytest.mark.lab,
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="a user's hosts have no network"),
]

REPO = Path(__file__).resolve().parents[2]
POOLS = {"isos": ("debian-12-netinst.iso", "raw"), "slow": ("archive.qcow2", "qcow2")}
# what the real one is called, and none of its rules: it is the host's own
FILTER = "<filter name='clean-traffic' chain='root'><rule action='accept' direction='inout'><all/></rule></filter>"


@pytest.fixture(scope="module")
def site(lab_host: Host, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """The lab's host with the image, the network, the pools and the filter that examples name."""
    definitions = tmp_path_factory.mktemp("site")
    (definitions / "filter.xml").write_text(FILTER)
    bridge = f"{lab_host.layout.further_bridge}s"
    (definitions / "network.xml").write_text(f"<network><name>storage</name><bridge name='{bridge}'/></network>")
    with Hypervisor.open(lab_host.uri) as hypervisor:
        disks = Path(hypervisor.pool("default").type_and_path()[1])
    image = disks / "debian-12.qcow2"
    shutil.copyfile(lab_host.image_path, image)
    lab_host.virsh("pool-refresh", "default")
    lab_host.virsh("nwfilter-define", definitions / "filter.xml")
    lab_host.virsh("net-define", definitions / "network.xml")
    lab_host.virsh("net-start", "storage")
    for pool, (volume, form) in POOLS.items():
        lab_host.virsh("pool-define-as", pool, "dir", "--target", disks.parent / pool)
        lab_host.virsh("pool-build", pool)
        lab_host.virsh("pool-start", pool)
        lab_host.virsh("vol-create-as", pool, volume, "1M", "--format", form)
    yield lab_host
    for pool, (volume, _form) in POOLS.items():
        lab_host.virsh("vol-delete", volume, "--pool", pool)
        lab_host.virsh("pool-destroy", pool)
        lab_host.virsh("pool-delete", pool)
        lab_host.virsh("pool-undefine", pool)
    lab_host.virsh("net-destroy", "storage")
    lab_host.virsh("net-undefine", "storage")
    lab_host.virsh("nwfilter-undefine", "clean-traffic")
    image.unlink()
    lab_host.virsh("pool-refresh", "default")


@pytest.fixture(scope="module")
def web(lab_host: Host) -> Iterator[Web]:
    """A web server with an image and the list of its checksum."""
    name, content = "debian-13-genericcloud-amd64.qcow2", lab_host.image_path.read_bytes()
    with served() as web:
        web.files = {f"/{name}": content, "/SHA512SUMS": f"{sha512(content).hexdigest()}  {name}\n".encode()}
        yield web


@pytest.fixture
def addresses(lab_hosts: list[Host], web: Web) -> dict[str, str]:
    """What an example's address of a host or a server, its bridge and its subnet may stand for."""
    here, there = lab_hosts
    subnet = further_subnet(here.layout.lab.id, taken_subnets())
    return {
        "further_bridge": f"{here.layout.further_bridge}e",
        "further_prefix": str(subnet[0]).removesuffix("0"),
        "web": web.url,
        "here": here.uri,
        "there": there.uri,
        "there_tls": there.uri_by("tls"),
        "there_tcp": f"tcp://{MIGRATION_ADDRESS}",
    }


@pytest.mark.parametrize("module", modules(REPO))
def test_the_examples_run_as_they_stand(
    module: str, site: Host, addresses: dict[str, str], ansible: Ansible, tmp_path: Path
) -> None:
    around = yaml.safe_load(preparation_of(module).read_text())
    parts = {
        "before": yaml.safe_dump(around["before"]),
        "examples": examples_of(REPO, module),
        "after": yaml.safe_dump(around["after"]),
    }
    for address, stands_for in around.get("addresses", {}).items():
        assert any(address in text for text in parts.values())
        parts = {name: text.replace(address, addresses[stands_for]) for name, text in parts.items()}
    for name, tasks in parts.items():
        (tmp_path / f"{name}.yml").write_text(tasks)
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "vars": {**around.get("vars", {}), "virt_type": site.virt_type},
        "module_defaults": {
            "hostler.libvirt.vm": {"virt_type": site.virt_type},
            "hostler.libvirt.vm_migrate": {"unsafe": True},  # both hosts' storage is a folder of this machine
        },
        "tasks": [{"ansible.builtin.import_tasks": f"{name}.yml"} for name in parts],
    }
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))

    with swept(site.uri), swept(addresses["there"]):
        done = ansible(tmp_path / "play.yml", timeout=900)
        assert done.code == 0, done.output

    for task in yaml.safe_load(parts["examples"]):
        assert f"TASK [{task['name']}]" in done.output
    assert "skipped=0" in done.output
    assert "ignored=0" in done.output
