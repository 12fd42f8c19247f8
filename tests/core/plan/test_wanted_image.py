# SPDX-License-Identifier: GPL-3.0-or-later
"""What a wanted image may be: every wrong field is named before anything is touched."""

from typing import Any

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import InvalidSpec
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.wanted_image import WantedImage, validate_image

DIGEST = "0" * 64


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({}, "path"),
        ({"path": "/a", "url": "http://h/a"}, "path"),
        ({"path": "a"}, "path"),
        ({"name": "a/b", "path": "/a"}, "name"),
        ({"path": "/a", "format": "vmdk"}, "format"),
        ({"path": "/a", "timeout": 0}, "timeout"),
        ({"path": "/a", "url_username": "u"}, "url_username"),
        ({"url": "http://h/a", "url_password": "p"}, "url_password"),
        ({"url": "ftp://h/a"}, "url"),
        ({"url": "h/a"}, "url"),
        ({"url": "http:///a"}, "url"),
        ({"url": "http://h:x/a"}, "url"),
        ({"url": "http://u:p@h/a"}, "url"),
        ({"url": "http://h/a b"}, "url"),
        ({"url": "file://elsewhere/a"}, "url"),
        ({"url": "file:///a/../b"}, "url"),
        ({"path": "/a", "checksum": DIGEST}, "checksum"),
        ({"path": "/a", "checksum": f"md5:{DIGEST}"}, "checksum"),
        ({"path": "/a", "checksum": f"sha512:{DIGEST}"}, "checksum"),
        ({"path": "/a", "checksum": "sha256:"}, "checksum"),
        ({"path": "/a", "checksum": "sha256:ftp://h/SUMS"}, "checksum"),
        ({"path": "/a", "checksum": "sha256:http://u:p@h/SUMS"}, "checksum"),
    ],
)
def test_what_can_be_no_image_is_refused_by_its_field(options: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        validate_image(WantedImage(**{"name": "a", **options}))
    assert [error.field for error in caught.value.errors] == [field]


def test_a_checksum_is_digits_or_a_list() -> None:
    digits = WantedImage("a", path="/a", checksum=f"sha256:{'A' * 64}")
    listed = WantedImage("a", path="/a", checksum="sha512:https://h/SUMS")

    assert (digits.algorithm, digits.digest, digits.checksum_list) == ("sha256", "a" * 64, None)
    assert (listed.algorithm, listed.digest, listed.checksum_list) == ("sha512", None, "https://h/SUMS")


def test_a_file_url_is_a_path() -> None:
    made = validate_image(WantedImage("a", url="file:///srv/an%20image"))

    assert (made.path, made.url) == ("/srv/an image", None)
