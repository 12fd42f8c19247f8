# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo as a newcomer has it: up, used, up again, up after a crash, down."""

from __future__ import annotations

import os
import shlex
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from lab.cache import REPOSITORY
from lab.demo.environment import Environment
from lab.processes import processes_with

pytestmark = pytest.mark.lab


def demo(command: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "lab.demo", command, "--dir", str(folder)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "demo"
    yield folder
    demo("down", folder)


def services(folder: Path) -> list[int]:
    return [process.pid for process in processes_with(str(folder / "tmp")) if "serve" in process.command]


def sourced(folder: Path) -> dict[str, str]:
    """What a shell has after ``source env``, in the environment of the programs that it starts."""
    printed = subprocess.run(
        ["bash", "-c", f"source {shlex.quote(str(folder / 'env'))} && env"],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    pairs = (line.partition("=") for line in printed.splitlines())
    return {name: value for name, _, value in pairs if name.startswith(("HOSTLER_", "LIBVIRT_"))}


def test_the_demo_comes_up_is_kept_mends_itself_and_leaves_nothing(folder: Path) -> None:
    printed = demo("up", folder)
    variables = sourced(folder)
    assert set(variables) == {
        "HOSTLER_URL",
        "HOSTLER_TOKEN",
        "HOSTLER_USER",
        "HOSTLER_PASSWORD",
        "HOSTLER_STATE_DIR",
        "LIBVIRT_DEFAULT_URI",
    }
    assert stat.S_IMODE((folder / "env").stat().st_mode) == 0o600
    for shown in (variables["HOSTLER_URL"], variables["HOSTLER_USER"], variables["HOSTLER_PASSWORD"]):
        assert shown in printed

    headers = {"Authorization": f"Bearer {variables['HOSTLER_TOKEN']}"}
    with httpx.Client(base_url=variables["HOSTLER_URL"], headers=headers, trust_env=False) as client:
        (vm,) = client.get("/api/vms").json()["vms"]
        assert (vm["name"], vm["status"]) == ("demo", "running")
        assert vm["network"]["ip_address"] in printed
        login = {"username": variables["HOSTLER_USER"], "password": variables["HOSTLER_PASSWORD"]}
        assert client.post("/api/auth/login", data=login).status_code == 200
        virsh = subprocess.run(
            ["virsh", "domuuid", "demo"], env={**os.environ, **variables}, capture_output=True, text=True, check=True
        )
        assert virsh.stdout.strip() == vm["uuid"]
        listed = subprocess.run(
            [sys.executable, "-m", "hostler", "server", "list"],
            env={"PATH": os.environ["PATH"], **variables},
            capture_output=True,
            text=True,
            check=True,
        )
        assert "demo-host" in listed.stdout

        (before,) = services(folder)
        demo("up", folder)
        assert services(folder) == [before]
        assert sourced(folder) == variables

        os.kill(before, signal.SIGKILL)
        demo("up", folder)
        assert services(folder) != [before]
        assert sourced(folder) == variables
        (kept,) = client.get("/api/vms").json()["vms"]
        assert (kept["id"], kept["uuid"], kept["status"]) == (vm["id"], vm["uuid"], "running")

    demo("down", folder)
    assert not folder.exists()
    assert processes_with(str(folder / "tmp")) == []
    demo("down", folder)  # and once more is no error


def test_the_env_file_holds_any_password_as_it_is(tmp_path: Path) -> None:
    written = Environment(
        url="http://127.0.0.1:1",
        token="t",
        user="admin",
        password="a 'b' $c `d` \\ \"e\"",
        libvirt_uri="qemu:///system?socket=/a b",
        state_dir=str(tmp_path / "state"),
    )
    written.write(tmp_path)

    assert Environment.kept_or_new(tmp_path, libvirt_uri=written.libvirt_uri) == written
    assert sourced(tmp_path)["HOSTLER_PASSWORD"] == written.password
