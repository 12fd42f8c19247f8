# SPDX-License-Identifier: GPL-3.0-or-later
"""An image comes once, whole or not at all; what is there is known again without reading it; what is needed stays."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.ensure_image import ensure_image
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    HostlerError,
    InvalidSpec,
    NameTaken,
    OperationFailed,
    PoolNotFound,
    WrongState,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.wanted_image import WantedImage
from lab.commands import run
from lab.host import Host
from tests.core.machines import MIB
from tests.core.web import Web, served

pytestmark = pytest.mark.lab

NAME = "brought.qcow2"


@pytest.fixture
def folder(lab_host: Host) -> Path:
    return lab_host.layout.pools["default"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A qcow2 with something in it."""
    raw, file = tmp_path / "some.raw", tmp_path / "some.qcow2"
    raw.write_bytes(os.urandom(2 * MIB))
    run("qemu-img", "convert", "-O", "qcow2", raw, file)
    return file


@pytest.fixture
def web(file: Path) -> Iterator[Web]:
    with served() as web:
        web.files["/some.qcow2"] = file.read_bytes()
        yield web


@pytest.fixture
def kept(tmp_path: Path) -> str:
    """Where images that replace others are kept."""
    place = tmp_path / "kept"
    place.mkdir()
    return str(place)


@pytest.fixture
def ensured(hypervisor: Hypervisor, kept: str) -> Any:
    """What a run answers, which check mode has foretold and after which another run has nothing to do."""

    def ensured(**options: Any) -> dict[str, Any]:
        wanted = WantedImage(**{"name": NAME, **options})
        foretold = ensure_image(hypervisor, wanted, kept, check=True)
        done = ensure_image(hypervisor, wanted, kept)
        said = ("changed", "diff", "plan")
        assert {key: foretold[key] for key in said} == {key: done[key] for key in said}
        assert not ensure_image(hypervisor, wanted, kept)["changed"]
        assert listing(Path(kept)) == []
        return done

    return ensured


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def listing(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir())


def test_an_image_comes_from_a_file_and_goes(ensured: Any, file: Path, folder: Path) -> None:
    done = ensured(path=str(file))

    image = done["image"]
    assert (folder / NAME).read_bytes() == file.read_bytes()
    assert (image["format"], image["capacity"], image["size"]) == ("qcow2", 2 * MIB, file.stat().st_size)
    assert image["checksums"]["sha256"] == sha256(file.read_bytes())
    assert done["diff"]["before"] == {}

    file.write_bytes(file.read_bytes() + bytes(512))  # another one
    changed = ensured(path=str(file))
    assert changed["changed"]
    assert (folder / NAME).read_bytes() == file.read_bytes()
    os.utime(file, (1, 1))  # another time, and the same
    assert not ensured(path=str(file))["changed"]

    assert ensured(state="absent")["image"] is None
    assert not [name for name in listing(folder) if NAME in name]


def test_a_second_run_fetches_nothing_and_reads_nothing(ensured: Any, web: Web, file: Path) -> None:
    url = f"{web.url}/some.qcow2"
    assert ensured(url=url)["changed"]
    fetched = web.fetched("/some.qcow2")
    assert not ensured(url=url)["changed"]
    assert web.fetched("/some.qcow2") == fetched

    web.asked.clear()
    assert not ensured(url=url, checksum=f"sha256:{sha256(file.read_bytes())}")["changed"]
    assert web.asked == []


def test_what_the_server_has_changed_replaces_what_is_there(ensured: Any, web: Web, file: Path, folder: Path) -> None:
    ensured(url=f"{web.url}/some.qcow2")
    web.files["/some.qcow2"] += bytes(512)
    assert not ensured(url=f"{web.url}/some.qcow2")["changed"]
    web.headers["ETag"] = '"two"'

    assert ensured(url=f"{web.url}/some.qcow2")["changed"]
    assert (folder / NAME).read_bytes() == web.files["/some.qcow2"]
    web.files["/other.qcow2"] = file.read_bytes()
    assert ensured(url=f"{web.url}/other.qcow2")["changed"]
    assert (folder / NAME).read_bytes() == file.read_bytes()


def test_what_others_have_put_there_is_known_by_its_checksum(ensured: Any, file: Path, folder: Path, web: Web) -> None:
    (folder / NAME).write_bytes(file.read_bytes())
    digest = hashlib.sha512(file.read_bytes()).hexdigest()

    assert not ensured(url=f"{web.url}/some.qcow2", checksum=f"sha512:{digest}")["changed"]
    assert web.asked == []
    (folder / NAME).write_bytes(file.read_bytes() + bytes(512))
    assert ensured(url=f"{web.url}/some.qcow2", checksum=f"sha512:{digest}")["changed"]
    assert (folder / NAME).read_bytes() == file.read_bytes()


def test_what_was_written_to_since_is_no_longer_what_came(ensured: Any, file: Path, folder: Path) -> None:
    ensured(path=str(file))
    with (folder / NAME).open("r+b") as there:
        there.seek(MIB)
        there.write(b"changed")

    assert ensured(path=str(file))["changed"]
    assert (folder / NAME).read_bytes() == file.read_bytes()


def test_a_list_of_checksums_says_what_it_has_to_be(ensured: Any, web: Web, file: Path) -> None:
    web.files["/SHA256SUMS"] = f"{sha256(file.read_bytes())}  some.qcow2\n".encode()

    done = ensured(url=f"{web.url}/some.qcow2", checksum=f"sha256:{web.url}/SHA256SUMS")

    assert done["diff"]["after"]["checksum"] == f"sha256:{sha256(file.read_bytes())}"


@pytest.mark.parametrize("there", [False, True])
def test_an_image_that_is_not_right_leaves_everything_as_it_was(
    hypervisor: Hypervisor, kept: str, web: Web, file: Path, folder: Path, there: bool
) -> None:
    if there:
        ensure_image(hypervisor, WantedImage(NAME, path=str(file)), kept)
    before = listing(folder)
    web.files["/some.qcow2"] = file.read_bytes() + bytes(1024)
    url = f"{web.url}/some.qcow2"

    with pytest.raises(InvalidSpec, match="checksum: is not that of the content"):
        ensure_image(hypervisor, WantedImage(NAME, url=url, checksum=f"sha256:{'0' * 64}"), kept)
    web.cut_off_at = 100_000
    with pytest.raises(HostlerError, match=r"announced|IncompleteRead") as caught:
        ensure_image(hypervisor, WantedImage(NAME, url=url, force=True), kept)
    assert caught.value.field == "url"

    assert listing(folder) == before
    assert listing(Path(kept)) == []
    if there:
        assert (folder / NAME).read_bytes() == file.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("-u", "-b", "/etc/passwd", "-F", "raw"), "backing file"),
        (("-o", "data_file={folder}/data,data_file_raw=on"), "keeps its data in another file"),
    ],
)
def test_a_hostile_image_is_refused_before_anything_is_written(
    hypervisor: Hypervisor, kept: str, tmp_path: Path, folder: Path, arguments: tuple[str, ...], says: str
) -> None:
    hostile = tmp_path / "hostile.qcow2"
    run("qemu-img", "create", "-f", "qcow2", *(one.format(folder=tmp_path) for one in arguments), hostile, "1M")
    before = listing(folder)

    for check in (True, False):
        with pytest.raises(InvalidSpec, match=f"path: .*{says}"):
            ensure_image(hypervisor, WantedImage(NAME, path=str(hostile)), kept, check=check)
    assert listing(folder) == before


def test_what_is_built_upon_is_neither_replaced_nor_deleted(
    hypervisor: Hypervisor, kept: str, file: Path, folder: Path
) -> None:
    ensure_image(hypervisor, WantedImage(NAME, path=str(file)), kept)
    pool = hypervisor.pool("default")
    image = pool.find_volume(NAME)
    assert image is not None
    pool.create_volume("overlay.qcow2", 2 * MIB, "qcow2", backing=image.facts())
    content = (folder / NAME).read_bytes()
    file.write_bytes(content + bytes(512))

    for options in ({"path": str(file)}, {"path": str(file), "force": True}, {"state": "absent"}):
        with pytest.raises(WrongState, match=r"in use by volume 'overlay\.qcow2'") as caught:
            ensure_image(hypervisor, WantedImage(NAME, **options), kept)  # type: ignore[arg-type]
        assert caught.value.field == "name"
    assert (folder / NAME).read_bytes() == content


def test_what_was_cut_off_is_said_to_be_there_and_goes_by_force(
    hypervisor: Hypervisor, kept: str, file: Path, folder: Path
) -> None:
    (folder / NAME).write_bytes(b"half of it")
    (folder / f".{NAME}.unfinished").write_bytes(b"")
    hypervisor.pool("default").refresh()

    for options in ({"path": str(file)}, {"state": "absent"}):
        with pytest.raises(NameTaken, match="force takes away what is there of it") as caught:
            ensure_image(hypervisor, WantedImage(NAME, **options), kept)  # type: ignore[arg-type]
        assert caught.value.field == "name"
    done = ensure_image(hypervisor, WantedImage(NAME, path=str(file), force=True), kept)
    assert len(done["plan"]) == 2
    assert (folder / NAME).read_bytes() == file.read_bytes()


@pytest.mark.parametrize(
    ("options", "kind", "field"),
    [
        ({"pool": "nowhere"}, PoolNotFound, "pool"),
        ({"path": "/nothing"}, InvalidSpec, "path"),
        ({"path": None, "url": "http://127.0.0.1:1/x"}, OperationFailed, "url"),
        ({"format": "iso"}, InvalidSpec, "path"),
        ({"name": "brought.raw"}, InvalidSpec, "path"),
        ({"name": ".hidden"}, InvalidSpec, "name"),
        ({"checksum": "sha256:http://127.0.0.1:1/SUMS"}, OperationFailed, "checksum"),
    ],
)
def test_what_can_be_none_is_named(
    hypervisor: Hypervisor, kept: str, file: Path, options: dict[str, Any], kind: type[HostlerError], field: str
) -> None:
    wanted = WantedImage(**{"name": NAME, "path": str(file), **options})

    with pytest.raises(kind) as caught:
        ensure_image(hypervisor, wanted, kept, check=True)
    assert caught.value.field == field


def test_a_record_that_somebody_else_wrote_is_none(ensured: Any, file: Path, folder: Path) -> None:
    ensured(path=str(file))
    for content in (b"", b"[1]", b'{"length": 1}', b'{"length": 1, "modified": "", "digests": {"sha256": "x"}}'):
        (folder / f".{NAME}.origin").write_bytes(content)
        assert not ensured(path=str(file))["changed"]
