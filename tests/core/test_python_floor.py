# SPDX-License-Identifier: GPL-3.0-or-later
"""The core runs on the oldest Python that Ansible still manages, without libvirt, with nothing of ours installed."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

import ansible_collections.hostler.libvirt.plugins.module_utils as core

CORE = Path(next(iter(core.__path__)))
COLLECTIONS = CORE.parents[4]
FLOOR = "3.8"

# every module is imported, and what needs no host is used once: annotations and data classes are evaluated only then
SCRIPT = """
import dataclasses, importlib, pkgutil, sys
root = "ansible_collections.hostler.libvirt.plugins.module_utils"
package = importlib.import_module(root)
names = [one.name for one in pkgutil.walk_packages(package.__path__, root + ".")]
for name in names:
    importlib.import_module(name)
print(len(names))
plan_create = sys.modules[root + ".plan.create"].plan_create
around = sys.modules[root + ".plan.surroundings"]
record = sys.modules[root + ".identity"].Record(uuid="6f1e3f0a-5b0e-4a57-9f6b-0c1d2e3f4a5b", created="")
spec = sys.modules[root + ".spec"].spec_from(
    {"name": "a", "cpu_cores": 1, "memory_mb": 64, "disk_gb": 1, "tags": ["x"], "cloud_init": {"user_data": "y"}}
)
pool = around.PoolFacts("default", "dir", "/disks", 2**40, 2**40)
plan = plan_create(spec, around.Surroundings("qemu", pool, "images", nat_network="default"), record)
xml = sys.modules[root + ".domain_xml.write"].domain_xml(plan.steps[0].operation.definition)
edit = sys.modules[root + ".domain_xml.edit"]
again = sys.modules[root + ".domain_xml.read"].read_domain(edit.resized(xml, edit.SizeEdit(4, 131072)))
assert (again.vcpus, again.memory_kib, again.record.uuid) == (4, 131072, record.uuid), again
change = sys.modules[root + ".plan.change"]
card = sys.modules[root + ".spec"].NetworkConfig("bridge", "br0")
change.validate_change(change.Change(name="b", tags=("x",), network_config=card, live=True))
assert edit.named(edit.without_vnc(edit.disconnected(xml)), "b") != xml
desired = sys.modules[root + ".plan.desired"]
desired.validate_desired(desired.Desired(dataclasses.asdict(spec)))
"""


def oldest_python() -> str | None:
    """A Python of the floor's version, wherever the machine keeps it."""
    places = sorted((Path.home() / ".pyenv/versions").glob(f"{FLOOR}.*/bin/python"))
    found = next(map(str, places), None) or shutil.which(f"python{FLOOR}")
    if found is None:
        return None
    # what is found by its name may be pyenv's, which has another home's Pythons
    works = subprocess.run([found, "-c", ""], capture_output=True, check=False).returncode == 0
    return found if works else None


def test_the_core_is_imported_and_used() -> None:
    python = oldest_python()
    if python is None:
        pytest.skip(f"there is no Python {FLOOR} on this machine; ruff's target version has to do")
    environment = {"PATH": os.defpath, "PYTHONPATH": str(COLLECTIONS), "PYTHONDONTWRITEBYTECODE": "1"}

    done = subprocess.run(
        [python, "-I", "-c", f"import sys; sys.path.insert(0, {str(COLLECTIONS)!r})\n{SCRIPT}"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == len([file for file in CORE.rglob("*.py") if file.name != "__init__.py"]) + len(
        [file for file in CORE.rglob("__init__.py") if file.parent != CORE]
    )
