# SPDX-License-Identifier: GPL-3.0-or-later
"""Base images by REST and by command, and nothing of one that was cut off, whoever cuts it off."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from lab.host import Host
from tests.end_to_end.conftest import RunningService, eventually

pytestmark = pytest.mark.lab

MIB = 1024**2


@pytest.fixture
def folder(lab_host: Host) -> Iterator[Path]:
    """The folder of the image pool, which after the test has what it had before."""
    pool = lab_host.layout.pools["images"]
    before = set(pool.iterdir())
    yield pool
    for file in set(pool.iterdir()) - before:
        file.unlink()
    lab_host.virsh("pool-refresh", "images")


def listed(service: RunningService) -> set[str]:
    return {image["name"] for image in service.get("/api/images")["items"]}


def test_an_image_by_command_is_listed_by_the_service_and_the_other_way_round(
    service: RunningService, folder: Path, tmp_path: Path
) -> None:
    file = tmp_path / "by-command.raw"
    file.write_bytes(os.urandom(MIB))
    digest = hashlib.sha256(file.read_bytes()).hexdigest()

    said = service.command("image", "add", "lab1", str(file), "--sha256", digest)

    assert re.fullmatch(r"Image \d+ 'by-command.raw' added to server 'lab1'\n", said)
    assert (folder / "by-command.raw").read_bytes() == file.read_bytes()
    assert "by-command.raw" in listed(service)
    by_rest = service.client.post("/api/images?server_id=1&name=by-rest.raw", content=bytes(1024))
    assert by_rest.status_code == 201, by_rest.text
    lines = [line.split() for line in service.command("image", "list").splitlines()]
    assert lines[0] == ["ID", "NAME", "SERVER", "FORMAT", "SIZE", "ALLOCATED"]
    assert [by_rest.json()["id"], "by-rest.raw", "lab1", "raw"] in [[int(line[0]), *line[1:4]] for line in lines[1:]]

    assert (
        service.command("image", "remove", "lab1", "by-rest.raw") == "Image 'by-rest.raw' removed from server 'lab1'\n"
    )
    assert service.client.get(f"/api/images/{by_rest.json()['id']}").status_code == 404
    assert not (folder / "by-rest.raw").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("add", "nowhere", "good.raw"), "There is no server named 'nowhere'"),
        (("add", "lab1", "good.raw", "--sha256", "0" * 64), "sha256: is not that of the content"),
        (("remove", "lab1", "tiny.qcow2", "--unfinished"), "No unfinished upload of 'tiny.qcow2'"),
    ],
)
def test_what_a_command_cannot_do_it_says_in_a_sentence(
    service: RunningService, folder: Path, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    (tmp_path / "good.raw").write_bytes(bytes(1024))
    before = sorted(folder.iterdir())

    done = subprocess.run(
        [sys.executable, "-m", "hostler", "image", *arguments],
        cwd=tmp_path, env=service.environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert done.returncode == 1, done.stdout + done.stderr
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert sorted(folder.iterdir()) == before


@pytest.mark.slow
def test_a_command_that_is_interrupted_takes_away_what_it_wrote(
    service: RunningService, folder: Path, tmp_path: Path
) -> None:
    large = tmp_path / "large.raw"
    large.touch()
    os.truncate(large, 8 * 1024 * MIB)
    before = sorted(folder.iterdir())
    command = subprocess.Popen(
        # a shell that runs the tests in the background has its children ignore the interruption
        ["/usr/bin/env", "--default-signal=INT", sys.executable, "-m", "hostler", "image", "add", "lab1", str(large)],
        env=service.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    eventually(lambda: (folder / "large.raw").exists(), "it writes")
    command.send_signal(signal.SIGINT)

    command.communicate(timeout=60)

    assert command.returncode != 0
    assert sorted(folder.iterdir()) == before


@pytest.mark.slow
def test_a_killed_command_leaves_what_another_removes(service: RunningService, folder: Path, tmp_path: Path) -> None:
    large = tmp_path / "large.raw"
    large.touch()
    os.truncate(large, 8 * 1024 * MIB)
    before = sorted(folder.iterdir())
    command = subprocess.Popen(
        [sys.executable, "-m", "hostler", "image", "add", "lab1", str(large)], env=service.environment
    )
    eventually(lambda: (folder / "large.raw").exists(), "it writes")
    command.kill()
    command.wait()

    assert "large.raw" not in listed(service)
    assert service.client.post("/api/images?server_id=1&name=large.raw", content=bytes(1024)).status_code == 409
    service.command("image", "remove", "lab1", "large.raw", "--unfinished")

    assert sorted(folder.iterdir()) == before


def test_a_service_that_is_killed_while_an_image_comes_settles_it_when_it_is_back(
    service: RunningService, folder: Path
) -> None:
    before = sorted(folder.iterdir())
    killed = threading.Event()

    def held() -> Iterator[bytes]:
        yield bytes(4 * MIB)
        killed.wait(60)
        yield bytes(MIB)

    def send() -> None:
        with pytest.raises(httpx.TransportError):
            service.client.post("/api/images?server_id=1&name=half.raw", content=held())

    sending = threading.Thread(target=send)
    sending.start()
    file = folder / "half.raw"
    eventually(lambda: file.exists() and file.stat().st_size > 0, "the first bytes are on the host")
    service.kill()
    killed.set()
    sending.join()
    assert file.exists()

    service.start()

    eventually(lambda: sorted(folder.iterdir()) == before, "what was written is gone")
    jobs = [job for job in service.get("/api/jobs?per_page=100")["items"] if job["action"] == "image_upload"]
    assert (jobs[-1]["state"], jobs[-1]["error"]["code"]) == ("failed", "cut_off")
    assert "taken away" in jobs[-1]["error"]["detail"]
    assert service.client.post("/api/images?server_id=1&name=half.raw", content=bytes(1024)).status_code == 201


@pytest.mark.slow
def test_a_service_that_is_stopped_while_an_image_comes_takes_away_what_it_wrote(
    service: RunningService, folder: Path
) -> None:
    service.stop()
    service.environment["HOSTLER_SHUTDOWN_SECONDS"] = "1"
    service.start()
    before = sorted(folder.iterdir())
    stopped = threading.Event()

    def held() -> Iterator[bytes]:
        yield bytes(4 * MIB)
        stopped.wait(60)
        yield bytes(MIB)

    def send() -> None:
        # the connection falls, or half an answer is out by then
        with contextlib.suppress(httpx.TransportError):
            answers.append(service.client.post("/api/images?server_id=1&name=half.raw", content=held()))

    answers: list[httpx.Response] = []
    sending = threading.Thread(target=send)
    sending.start()
    eventually(lambda: (folder / "half.raw").exists(), "it writes")
    service.stop()
    stopped.set()
    sending.join()
    service.start()

    assert [answer.status_code for answer in answers if answer.is_success] == []
    eventually(lambda: sorted(folder.iterdir()) == before, "what was written is gone")
