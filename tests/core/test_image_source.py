# SPDX-License-Identifier: GPL-3.0-or-later
"""Where images come from: what is read is what is there, and nobody is told or kept what is not theirs."""

import dataclasses
import hashlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import HostlerError, InvalidSpec, OperationFailed
from ansible_collections.hostler.libvirt.plugins.module_utils.image_source import ImageSource
from tests.core.web import Web, served

CONTENT = bytes(range(256)) * 10_000


@pytest.fixture
def web() -> Iterator[Web]:
    with served() as web:
        web.files["/dir/an image.qcow2"] = CONTENT
        yield web


@pytest.fixture
def source(web: Web) -> ImageSource:
    return ImageSource(url=f"{web.url}/dir/an%20image.qcow2?token=secret", timeout=1)


def read(source: ImageSource) -> bytes:
    with source.open() as opened:
        return b"".join(opened.pieces())


def test_a_file_and_a_url_give_their_bytes_size_and_checksum(source: ImageSource, tmp_path: Path) -> None:
    file = tmp_path / "an image.qcow2"
    file.write_bytes(CONTENT)
    for one in (source, ImageSource(path=str(file))):
        assert read(one) == CONTENT
        with one.open() as opened:
            assert opened.size == len(CONTENT)
            assert opened.stamp == one.stamp()
        assert one.digest("sha512") == hashlib.sha512(CONTENT).hexdigest()
        assert one.file_name == "an image.qcow2"


def test_what_may_be_secret_is_not_shown(source: ImageSource) -> None:
    secret = dataclasses.replace(source, username="me", password="hunter2")

    assert "token" not in secret.shown
    assert "secret" not in repr(secret)
    assert "hunter2" not in repr(secret)
    assert "token" not in secret.fingerprint


def test_the_login_reaches_its_server_alone(web: Web) -> None:
    with served() as other:
        other.files["/image"] = b"content"
        other.files["/SUMS"] = f"{'a' * 64}  moved\n".encode()
        web.redirects["/moved"] = f"{other.url}/image"
        source = ImageSource(url=f"{web.url}/moved", username="me", password="hunter2")

        assert read(source) == b"content"
        assert source.listed_digest(f"{other.url}/SUMS", 64) == "a" * 64

        assert web.asked[0][2] is not None
        assert [login for _method, _path, login in other.asked] == [None, None]


@pytest.mark.parametrize("where", ["file:///etc/passwd", "ftp://127.0.0.1/x"])
def test_no_server_leads_to_what_is_not_the_webs(web: Web, where: str) -> None:
    web.redirects["/moved"] = where

    with pytest.raises(OperationFailed) as caught:
        read(ImageSource(url=f"{web.url}/moved"))
    assert caught.value.field == "url"


def test_a_login_in_a_redirect_is_not_told(web: Web) -> None:
    web.redirects["/moved"] = web.url.replace("//", "//me:hunter2@") + "/image"

    with pytest.raises(OperationFailed, match="redirects to an address with a login") as caught:
        read(ImageSource(url=f"{web.url}/moved"))
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("path", "says"), [("/nothing", "the server answers 404"), ("/dir/an%20image.qcow2", "timed out")]
)
def test_a_server_that_has_not_or_says_nothing_is_told_of(web: Web, path: str, says: str) -> None:
    web.cut_off_at = 100
    web.silent = threading.Event()

    with pytest.raises(OperationFailed, match=says) as caught:
        read(ImageSource(url=web.url + path, timeout=0.3))
    assert caught.value.field == "url"


def test_a_server_that_is_not_there_is_told_of() -> None:
    with pytest.raises(OperationFailed, match=r"Failed to read http://127\.0\.0\.1:1/x: .*refused"):
        read(ImageSource(url="http://127.0.0.1:1/x"))


def test_a_server_that_knows_no_head_has_no_stamp(web: Web, source: ImageSource) -> None:
    web.answers_head = False

    assert source.stamp() is None


def test_a_length_alone_is_no_stamp(web: Web, source: ImageSource) -> None:
    web.headers = {}

    assert source.stamp() is None


@pytest.mark.parametrize(
    "line",
    [
        "{digest}  an image.qcow2",
        "{digest} *./x/an image.qcow2",
        "SHA256 (an image.qcow2) = {digest}",
    ],
)
def test_a_list_of_checksums_is_read_as_its_tools_write_it(web: Web, source: ImageSource, line: str) -> None:
    other = "0" * 64 + "  another.qcow2\n" + "1" * 128 + "  an image.qcow2\n"
    web.files["/SUMS"] = (other + line.format(digest="A" * 64) + "\n").encode()

    assert source.listed_digest(f"{web.url}/SUMS", 64) == "a" * 64


def test_a_list_without_the_file_is_said_to_be_one(web: Web, source: ImageSource) -> None:
    web.files["/SUMS"] = b"<html>\xff</html>"

    with pytest.raises(InvalidSpec, match=r"has no checksum of 64 digits for .an image\.qcow2.") as caught:
        source.listed_digest(f"{web.url}/SUMS", 64)
    assert caught.value.field == "checksum"


def test_what_is_no_file_is_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path / "nothing", tmp_path):
        with pytest.raises(HostlerError, match="is no file on the machine that the task runs on"):
            ImageSource(path=str(path)).open()


def test_a_list_without_end_is_none(web: Web, source: ImageSource) -> None:
    web.files["/SUMS"] = b"a" * (4 * 1024 * 1024 + 1)

    with pytest.raises(OperationFailed, match="more than 4 MiB") as caught:
        source.listed_digest(f"{web.url}/SUMS", 64)

    assert caught.value.field == "checksum"


def test_a_list_that_drips_is_given_up(web: Web) -> None:
    web.files["/SUMS"] = b"a" * 100
    web.drip = 0.1
    source = ImageSource(url=f"{web.url}/image", timeout=0.3)

    with pytest.raises(OperationFailed, match=r"it takes more than 0\.3 s"):
        source.listed_digest(f"{web.url}/SUMS", 64)


def test_a_path_need_not_be_ascii(web: Web) -> None:
    web.files["/Bücher und Bilder/größer.img"] = b"content"
    source = ImageSource(url=f"{web.url}/Bücher%20und Bilder/größer.img?für=x")

    with source.open() as opened:
        assert b"".join(opened.pieces()) == b"content"
    assert source.file_name == "größer.img"


def test_a_server_that_has_no_name_is_told_of() -> None:
    with pytest.raises(OperationFailed, match="Failed to read"):
        ImageSource(url="http://bü..cher.invalid/x").stamp()


def test_what_a_server_says_reaches_no_terminal(web: Web) -> None:
    web.reason = "no\x1b[2Jthing"

    with pytest.raises(OperationFailed) as caught:
        ImageSource(url=f"{web.url}/nothing").stamp()

    assert "404 no?[2Jthing" in caught.value.message
