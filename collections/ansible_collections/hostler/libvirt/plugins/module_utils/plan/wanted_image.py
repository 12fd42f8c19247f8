# SPDX-License-Identifier: GPL-3.0-or-later
"""One base image of a storage pool as it should be."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any, Dict, Iterator, Optional
from urllib.parse import unquote, urlsplit

from ansible_collections.hostler.libvirt.plugins.module_utils.digests import ALGORITHMS
from ansible_collections.hostler.libvirt.plugins.module_utils.disk_image import FORMATS
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import FieldError, InvalidSpec
from ansible_collections.hostler.libvirt.plugins.module_utils.fields import (
    LIBVIRT_NAME_PATTERN,
    LIBVIRT_NAME_SAYS,
    check_types,
    facts,
    field_errors,
    path_errors,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.image_source import SCHEMES, ImageSource

STATES = ("present", "absent")

_CHECKSUM_SAYS = "sha256: or sha512: and the checksum in hexadecimal, or the URL of a list of checksums"
_NAME: Dict[str, Any] = {
    "pattern": LIBVIRT_NAME_PATTERN,
    "pattern_says": LIBVIRT_NAME_SAYS,
}


@dataclass(frozen=True)
class WantedImage:
    """What an image should be, and where it comes from: one of ``path`` and ``url``."""

    name: str = field(metadata=facts("What it is called.", **_NAME))
    pool: str = field(default="default", metadata=facts("Its storage pool.", **_NAME))
    state: str = field(default="present", metadata=facts("What it is to be.", choices=STATES))
    path: Optional[str] = field(default=None, metadata=facts("A file.", max_length=4095))
    url: Optional[str] = field(default=None, repr=False, metadata=facts("A URL.", max_length=4095))
    url_username: Optional[str] = None
    url_password: Optional[str] = field(default=None, repr=False)
    validate_certs: bool = True
    checksum: Optional[str] = field(default=None, repr=False, metadata=facts("Its checksum.", max_length=4095))
    format: Optional[str] = field(default=None, metadata=facts("What it must be.", choices=FORMATS))
    force: bool = False
    timeout: float = field(default=30, metadata=facts("How long a server may be silent.", unit="s", minimum=1))

    @property
    def source(self) -> ImageSource:
        """Where it comes from."""
        return ImageSource(self.path, self.url, self.url_username, self.url_password, self.validate_certs, self.timeout)

    @property
    def algorithm(self) -> str:
        """That of its checksum, or that by which it is compared without one."""
        return "sha256" if self.checksum is None else self.checksum.partition(":")[0]

    @property
    def digest(self) -> Optional[str]:
        """Its checksum; None where there is none, or where it stands in a list."""
        digest = (self.checksum or "").partition(":")[2].lower()
        return digest if re.fullmatch("[0-9a-f]+", digest) else None

    @property
    def checksum_list(self) -> Optional[str]:
        """The URL of the list in which its checksum stands."""
        return None if self.checksum is None or self.digest is not None else self.checksum.partition(":")[2]


def validate_image(wanted: WantedImage) -> WantedImage:
    """``wanted``, with a file: URL as the path that it is, if it can be; raises `InvalidSpec` with all that can't."""
    check_types(wanted)
    errors = [*field_errors(wanted), *_together_errors(wanted)]
    if errors:
        raise InvalidSpec(errors)
    if wanted.url is not None and urlsplit(wanted.url).scheme == "file":
        return replace(wanted, url=None, path=unquote(urlsplit(wanted.url).path))
    return wanted


def _together_errors(wanted: WantedImage) -> Iterator[FieldError]:
    if wanted.state == "present" and (wanted.path is None) == (wanted.url is None):
        yield FieldError("path", "is required, or url, and not both")
    if wanted.path is not None:
        yield from path_errors("path", wanted.path)
    if wanted.url is not None:
        yield from _url_errors("url", wanted.url, SCHEMES)
    if wanted.url_username is not None and wanted.url is None:
        yield FieldError("url_username", "goes with url only")
    if wanted.url_password is not None and wanted.url_username is None:
        yield FieldError("url_password", "goes with url_username only")
    if wanted.checksum is not None:
        yield from _checksum_errors(wanted)


def _checksum_errors(wanted: WantedImage) -> Iterator[FieldError]:
    digits = ALGORITHMS.get(wanted.algorithm)
    if digits is None:
        yield FieldError("checksum", f"must be {_CHECKSUM_SAYS}")
    elif wanted.checksum_list is not None:
        yield from _url_errors("checksum", wanted.checksum_list, ("http", "https"))
    elif len(wanted.digest or "") != digits:
        yield FieldError("checksum", f"must have {digits} hexadecimal digits for {wanted.algorithm}")


def _url_errors(name: str, url: str, schemes: Any) -> Iterator[FieldError]:
    try:
        parts = urlsplit(url)
        _port = parts.port
    except ValueError as error:
        yield FieldError(name, f"can't be read: {error}")
        return
    if parts.scheme not in schemes:
        yield FieldError(name, f"must begin with {', '.join(f'{one}://' for one in schemes)}")
    elif parts.scheme == "file":
        if parts.netloc not in ("", "localhost"):
            yield FieldError(name, "must name a file of the machine that the task runs on")
        yield from path_errors(name, unquote(parts.path))
    elif not parts.hostname:
        yield FieldError(name, "names no server")
    elif parts.username is not None or parts.password is not None:
        yield FieldError(name, "must not hold a login, which would be shown: there are url_username and url_password")
    elif re.search(r"[\x00-\x20\x7f]", url):
        yield FieldError(name, "must not hold spaces and control characters")
