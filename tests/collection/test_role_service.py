# SPDX-License-Identifier: GPL-3.0-or-later
"""What molecule can't show of the role service here: the unit for systemd, and what is refused."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.collection.conftest import Ansible, Run

ROLE = Path(__file__).resolve().parents[2] / "collections/ansible_collections/hostler/libvirt/roles/service"

pytestmark = [pytest.mark.lab, pytest.mark.slow]


@pytest.fixture
def rendered(ansible: Ansible, tmp_path: Path) -> Any:
    """A template of the role's, with these variables beside its defaults."""

    def render(template: str, **variables: Any) -> Path:
        file = tmp_path / template.removesuffix(".j2")
        play = {
            "hosts": "localhost",
            "gather_facts": False,
            "vars_files": [str(ROLE / "defaults/main.yml"), str(ROLE / "vars/main.yml")],
            "tasks": [
                {
                    "ansible.builtin.template": {
                        "src": str(ROLE / "templates" / template),
                        "dest": str(file),
                        "mode": "0600",
                    }
                }
            ],
        }
        (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))
        done = ansible(tmp_path / "play.yml", extra=variables)
        assert done.code == 0, done.output
        return file

    return render


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd's own check is not on this machine")
def test_systemd_takes_the_unit_and_finds_little_to_fear_in_it(rendered: Any, tmp_path: Path) -> None:
    program = tmp_path / "bin/hostler"
    program.parent.mkdir()
    shutil.copy("/bin/true", program)

    unit = rendered("hostler.service.j2", service_venv=str(tmp_path), service_user="root")

    verified = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    assert (verified.returncode, [line for line in verified.stderr.splitlines() if unit.name in line]) == (0, [])
    exposure = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=30", unit],
        capture_output=True,
        text=True,
        check=False,
    )
    assert exposure.returncode == 0, exposure.stdout


@pytest.mark.parametrize(("settings", "seconds"), [({}, 75), ({"shutdown_seconds": 120}, 255)])
def test_systemd_waits_for_longer_than_both_waits_of_the_service(
    rendered: Any, settings: dict[str, Any], seconds: int
) -> None:
    assert f"TimeoutStopSec={seconds}\n" in rendered("hostler.service.j2", service_settings=settings).read_text()


def test_the_settings_are_toml_whatever_stands_in_them(rendered: Any) -> None:
    url = 'postgres://hostler:p"\\ä@db/hostler'
    settings = {
        "log_format": "json",
        "warm_start": False,
        "dispatch": {"vm_create": "direct"},
        "trusted_libvirt_uris": ["a"],
    }

    file = rendered("hostler.toml.j2", service_database_url=url, service_settings=settings)

    assert tomllib.loads(file.read_text()) == {
        "state_dir": "/var/lib/hostler",
        "host": "127.0.0.1",
        "port": 8470,
        "database_url": url,
        **settings,
    }


def test_the_program_starts_one_service_and_stops_it_and_no_other(rendered: Any, tmp_path: Path) -> None:
    """The service's place is taken by a program that waits: molecule has the real one started."""
    program = tmp_path / "bin/hostler"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable}\nimport time\ntime.sleep(600)\n")
    program.chmod(0o700)
    script = rendered("hostler-service.j2", service_venv=str(tmp_path), service_state_dir=str(tmp_path))
    script.chmod(0o700)
    pid_file = tmp_path / "hostler.pid"

    def call(word: str) -> int:
        return subprocess.run([script, word], check=False, timeout=60, capture_output=True).returncode

    assert call("status") == 3
    try:
        assert call("start") == 0
        first = pid_file.read_text()
        while call("status") != 0:  # it is itself a moment after it was started
            assert Path(f"/proc/{first.strip()}").exists()
        assert call("start") == 0
        assert pid_file.read_text() == first
    finally:
        assert call("stop") == 0
    assert not pid_file.exists()
    pid_file.write_text(str(os.getpid()))  # which is another program's
    assert call("status") == 3
    assert call("stop") == 0
    assert call("nonsense") == 2


@pytest.mark.parametrize(
    ("variables", "complaint"),
    [
        ({}, "missing required arguments: service_package"),
        ({"service_package": "/nowhere.whl"}, "service_package: /nowhere.whl is no file on the machine."),
        ({"service_package": "x", "service_venv": "/a b"}, "service_venv should have nothing but letters"),
        ({"service_package": "x", "service_settings": {"port": 1}}, "service_settings: port is said by service_port."),
        ({"service_package": "x", "service_settings": {"a b": 1}}, "service_settings: a b is no setting with a value."),
        ({"service_package": "x", "service_admin_password": "short"}, "service_admin_password should have 8 to 256"),
    ],
)
def test_what_can_t_be_done_is_refused_by_its_name_before_anything_is_touched(
    ansible: Ansible, tmp_path: Path, variables: dict[str, Any], complaint: str
) -> None:
    tasks = [{"ansible.builtin.include_role": {"name": "hostler.libvirt.service"}}]
    (tmp_path / "play.yml").write_text(yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]))
    own = {
        "service_venv": str(tmp_path / "venv"),
        "service_config_dir": str(tmp_path / "config"),
        "service_state_dir": str(tmp_path / "state"),
        "service_user": "root",
        "service_packages": [],
        "ansible_python_interpreter": "/usr/bin/python3",
    }

    run: Run = ansible(tmp_path / "play.yml", extra={**own, **variables})

    assert run.code != 0
    assert complaint in " ".join(run.output.split()), run.output
    assert "changed=0" in run.output
    assert list(tmp_path.iterdir()) == [tmp_path / "play.yml"]
