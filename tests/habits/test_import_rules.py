# SPDX-License-Identifier: GPL-3.0-or-later
"""The import rules of pyproject.toml hold, and each of them notices when it is broken."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import pytest

REPO = Path(__file__).parents[2]
PLUGINS = "collections/ansible_collections/hostler/libvirt/plugins"
CORE = f"{PLUGINS}/module_utils"
CONTRACTS = [
    contract["name"]
    for contract in tomllib.loads((REPO / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
]
VIOLATIONS = {
    "the core points at nothing of ours and at no framework": [
        (f"{CORE}/broken.py", "import ansible_runner"),
        (f"{CORE}/broken.py", "from ansible.module_utils.basic import AnsibleModule"),
        (f"{CORE}/broken.py", "import hostler.settings"),
        (f"{CORE}/broken.py", "from ansible_collections.hostler.libvirt.plugins.plugin_utils import vm_inventory"),
        (f"{CORE}/plan/broken.py", "def plan():\n    import pydantic"),
    ],
    "only the core's hypervisor package imports libvirt": [
        ("service/hostler/broken.py", "import libvirt"),
        (f"{CORE}/actions/broken.py", "import libvirt"),
        (f"{PLUGINS}/modules/broken.py", "from libvirt import open"),
    ],
    "the service never imports ansible, and only the runner knows ansible-runner": [
        ("service/hostler/broken.py", "import ansible_runner"),
        ("service/hostler/jobs/broken.py", "from ansible_runner import run"),
        ("service/hostler/runner/broken.py", "from ansible.constants import DEFAULTS"),
    ],
    "the warm start's process loads nothing else of ours": [
        ("service/hostler/warm/broken.py", "import ansible_collections.hostler.libvirt.plugins.module_utils.spec"),
        ("service/hostler/warm/broken.py", "import hostler.runner"),
    ],
    "routes never see the core's hypervisor": [
        (
            "service/hostler/hosts/routes.py",
            "from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor import connection",
        ),
    ],
    "the service and the plugins are neighbours that never import each other": [
        ("service/hostler/broken.py", "import ansible_collections.hostler.libvirt.plugins.modules.vm"),
        (f"{PLUGINS}/modules/broken.py", "import hostler.settings"),
    ],
    "nothing that is shipped imports the lab, the tests or the benchmarks": [
        ("service/hostler/broken.py", "import lab.host"),
        (f"{CORE}/broken.py", "import tests"),
        ("service/hostler/broken.py", "import bench.wrk"),
    ],
}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    leave_out = shutil.ignore_patterns("__pycache__")
    for folder in ("service/hostler", PLUGINS):
        shutil.copytree(REPO / folder, tmp_path / folder, ignore=leave_out)
    shutil.copy(REPO / "pyproject.toml", tmp_path)
    return tmp_path


def lint(tree: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter on a copy of the tree; -S leaves the editable install of the real one out."""
    path = [tree / "service", tree / "collections", sysconfig.get_path("purelib")]
    return subprocess.run(
        [sys.executable, "-S", "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"],
        cwd=tree,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(map(str, path)), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_all_rules_hold(copy: Path) -> None:
    result = lint(copy)

    assert result.returncode == 0, result.stdout + result.stderr
    assert f"{len(CONTRACTS)} kept, 0 broken" in result.stdout


def test_every_rule_has_a_violation_to_notice() -> None:
    assert list(VIOLATIONS) == CONTRACTS


@pytest.mark.parametrize(
    ("contract", "path", "line"),
    [(contract, *violation) for contract, violations in VIOLATIONS.items() for violation in violations],
)
def test_a_broken_rule_is_noticed(copy: Path, contract: str, path: str, line: str) -> None:
    (copy / path).parent.mkdir(parents=True, exist_ok=True)
    (copy / path).write_text(f"{line}\n")

    result = lint(copy)

    assert result.returncode == 1, result.stdout + result.stderr
    assert f"{contract} BROKEN" in result.stdout
