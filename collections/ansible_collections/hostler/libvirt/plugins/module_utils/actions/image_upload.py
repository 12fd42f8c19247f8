# SPDX-License-Identifier: GPL-3.0-or-later
"""Putting an image into a host's pool, all or nothing, without ever holding it whole.

Its first bytes are looked at before any is written. Its mark (see `images`) is made before it, lets nobody else upload
the same name meanwhile, and goes away last, when all of it is there and right, or when what was written is gone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import chain
from typing import Iterable, Iterator, List, Mapping, Optional, Sequence

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.image import mark_of
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.images import is_disk_name, unmark
from ansible_collections.hostler.libvirt.plugins.module_utils.digests import Digests
from ansible_collections.hostler.libvirt.plugins.module_utils.disk_image import (
    FORMATS,
    HEAD_BYTES,
    check_head,
    check_whole,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    FieldError,
    HostlerError,
    HostUnreachable,
    InvalidSpec,
    NameTaken,
    NotEnoughSpace,
    OperationFailed,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.fields import LIBVIRT_NAME_PATTERN, facts, field_errors
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.pool import Pool
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.volume import Volume, VolumeFacts
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.create import FILE_POOLS
from ansible_collections.hostler.libvirt.plugins.module_utils.spec import disk_gib

_LONGEST_NAME = 240  # bytes; a file's name has 255, and the mark's is longer
_COPY_SECONDS = 3600.0  # how long another volume of the pool may be copied before an image is given up


@dataclass(frozen=True)
class NewImage:
    """An image that is to be put into a pool."""

    name: str = field(
        metadata=facts(
            "What the image is called: the volume's name.",
            pattern=LIBVIRT_NAME_PATTERN,
            pattern_says="the name of a volume, without slashes and control characters",
        )
    )
    format: Optional[str] = field(
        default=None,
        metadata=facts(
            "What it must be; where it is left out, the ending of its name says it, or else what it is.",
            choices=FORMATS,
        ),
    )
    sha256: Optional[str] = field(
        default=None,
        metadata=facts(
            "The SHA-256 of the whole image, in hexadecimal; another one is refused.",
            pattern=r"^[0-9A-Fa-f]{64}$",
            pattern_says="64 hexadecimal digits",
        ),
    )
    size: Optional[int] = None  # bytes, where it is known beforehand
    sha512: Optional[str] = field(
        default=None,
        metadata=facts(
            "The SHA-512 of the whole image, in hexadecimal; another one is refused.",
            pattern=r"^[0-9A-Fa-f]{128}$",
            pattern_says="128 hexadecimal digits",
        ),
    )


@dataclass(frozen=True)
class Uploaded:
    """An image that was put there, and the checksums of what was written, by algorithm; SHA-256 is among them."""

    volume: VolumeFacts
    digests: Mapping[str, str]
    size: int  # bytes of the file

    @property
    def sha256(self) -> str:
        """The SHA-256 of what was written."""
        return self.digests["sha256"]


class Unfinished(OperationFailed):
    """An upload failed, and what it had written, with its mark, could not be taken away."""


def check_new_image(image: NewImage) -> None:
    """Raise `InvalidSpec`, with every wrong field, for an image that could be nowhere."""
    errors: List[FieldError] = list(field_errors(image))
    if not errors:
        errors = list(_name_errors(image.name))
    if errors:
        raise InvalidSpec(errors)


def check_room(hypervisor: Hypervisor, pool_name: str, image: NewImage, in_place: bool = False) -> None:
    """Raise what keeps the image from that pool, as far as it shows beforehand.

    `PoolNotFound`, `InvalidSpec` for a pool of no files, `NameTaken`, `NotEnoughSpace`. With ``in_place`` what has its
    name goes before it comes.
    """
    _room(hypervisor, pool_name, image, in_place)


def upload(hypervisor: Hypervisor, pool_name: str, image: NewImage, pieces: Iterable[bytes]) -> Uploaded:
    """Write the image and answer what it is; what a failed upload wrote is gone afterwards.

    ``pieces`` are its bytes in order; what they raise ends the upload and is raised. Raises what `check_room` does, and
    `InvalidSpec` for content that is not what it should be. After `HostUnreachable` and `Unfinished` the mark, and what
    was written, are there still: `images.discard_unfinished`.
    """
    uploaded = write_marked(hypervisor, pool_name, image, pieces)
    unmark(hypervisor, pool_name, image.name)
    return uploaded


def write_marked(hypervisor: Hypervisor, pool_name: str, image: NewImage, pieces: Iterable[bytes]) -> Uploaded:
    """All of `upload` but its last step: the image is there and right, and becomes one by `images.unmark`.

    For who writes down that it is done between the two. Raises what `upload` does.
    """
    check_new_image(image)
    pool = _room(hypervisor, pool_name, image)
    content = _Content(pieces, ("sha256",) if image.sha512 is None else ("sha256", "sha512"))
    kind = check_head(image.name, content.head, image.format)
    try:
        mark = pool.create_volume(mark_of(image.name), 0, "raw")
    except NameTaken:
        raise NameTaken(f"Image '{image.name}' is being uploaded to this host already", "name") from None
    ours = True
    try:
        try:
            volume = _made(pool, image)
        except HostlerError:
            ours = False  # what has its name is somebody else's
            raise
        try:
            seen = _filled(pool, volume, image, kind, content)
        finally:
            content.close()
    except BaseException as error:  # Ctrl-C may come at any moment
        _take_away(pool, image.name if ours else None, mark, error)
        raise
    return Uploaded(seen, content.digests, content.size)


def _take_away(pool: Pool, name: Optional[str], mark: Volume, error: BaseException) -> None:
    """Take away what was written before ``error``; the mark stays as long as what it stands for."""
    try:
        if name is not None:
            pool.discard(name)
        mark.delete()
    except HostUnreachable:
        raise
    except HostlerError as left:
        reason = f"{error.message}; " if isinstance(error, HostlerError) else ""
        raise Unfinished(f"{reason}what was written could not be taken away: {left.message}") from error


def _made(pool: Pool, image: NewImage) -> Volume:
    _require_free(pool, image.name)
    try:
        return pool.create_volume(image.name, image.size or 0, "raw")
    except NameTaken:
        raise _taken(pool, image.name) from None


def _filled(pool: Pool, volume: Volume, image: NewImage, kind: str, content: _Content) -> VolumeFacts:
    volume.write(content)
    content.check(image, kind)
    # only now libvirt learns the format, and the virtual size with it
    pool.refresh(_COPY_SECONDS)
    found = volume.facts()
    if found.format != kind or found.backing_path is not None:
        raise InvalidSpec([FieldError("content", f"the host takes it for {found.format}, and not for {kind}")])
    return found


class _Content:
    """The bytes of an image, counted and hashed as they are taken; the first of them are looked at beforehand."""

    def __init__(self, pieces: Iterable[bytes], algorithms: Sequence[str]) -> None:
        self._rest = iter(pieces)
        self.size = 0
        self.head = self._first()
        self._algorithms = algorithms
        self._digests: Optional[Digests] = None

    def __iter__(self) -> Iterator[bytes]:
        self._digests = Digests(self._algorithms)
        for piece in chain((self.head,), self._rest):
            self._digests.update(piece)
            self.size += len(piece)
            yield piece

    @property
    def digests(self) -> Mapping[str, str]:
        return {} if self._digests is None else self._digests.result()

    def close(self) -> None:
        if self._digests is not None:
            self._digests.close()

    def check(self, image: NewImage, kind: str) -> None:
        """Raise `InvalidSpec` if what was taken is not all of the image, or not that image."""
        if image.size is not None and self.size != image.size:
            raise InvalidSpec([FieldError("content", f"it has {self.size} bytes and not the {image.size} announced")])
        for name, found in self.digests.items():
            wanted = getattr(image, name)
            if wanted is not None and found != wanted.lower():
                raise InvalidSpec([FieldError(name, f"is not that of the content, which is {found}")])
        check_whole(kind, self.head, self.size)

    def _first(self) -> bytes:
        head = bytearray()
        for piece in self._rest:
            head += piece
            if len(head) >= HEAD_BYTES:
                break
        return bytes(head)


def _name_errors(name: str) -> Iterator[FieldError]:
    if name.startswith("."):
        yield FieldError("name", "must not begin with a dot")
    elif len(name.encode("utf-8")) > _LONGEST_NAME:
        yield FieldError("name", f"is longer than {_LONGEST_NAME} bytes")
    elif is_disk_name(name):
        yield FieldError("name", "is what the disks of VMs are called")


def _room(hypervisor: Hypervisor, pool_name: str, image: NewImage, in_place: bool = False) -> Pool:
    pool = hypervisor.pool(pool_name).require_active()
    kind = pool.type_and_path()[0]
    if kind not in FILE_POOLS:
        raise InvalidSpec([FieldError("pool", f"'{pool_name}' is of type {kind}; images need a pool of files")])
    pool.refresh_if_idle()  # a file that somebody has put there has its name, too
    going = pool.find_volume(image.name) if in_place else None
    if not in_place:
        _require_free(pool, image.name)
    available = pool.space().available + (0 if going is None else going.facts().allocation)
    if image.size is not None and image.size > available:
        raise NotEnoughSpace(
            f"Storage pool '{pool_name}' has {disk_gib(available):g} GiB free, less than the"
            f" {disk_gib(image.size):g} GiB of the image",
            "content",
        )
    return pool


def _require_free(pool: Pool, name: str) -> None:
    if pool.find_volume(name) is not None:
        raise _taken(pool, name)


def _taken(pool: Pool, name: str) -> NameTaken:
    return NameTaken(f"Storage pool '{pool.name}' already has a volume '{name}'", "name")
