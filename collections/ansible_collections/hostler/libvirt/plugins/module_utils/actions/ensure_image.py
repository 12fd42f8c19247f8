# SPDX-License-Identifier: GPL-3.0-or-later
"""One base image as it is wanted: looked at, planned, and, unless it is only asked for, brought or taken away."""

from __future__ import annotations

import itertools
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import IO, Any, Dict, Iterable, Iterator, Optional, Tuple

from ansible_collections.hostler.libvirt.plugins.module_utils.actions import image_upload, images
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.doers import Doers
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.image import mark_of
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.image_record import (
    read_record,
    write_record,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.patiently import patiently
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.perform import perform
from ansible_collections.hostler.libvirt.plugins.module_utils.digests import ALGORITHMS, Digests
from ansible_collections.hostler.libvirt.plugins.module_utils.disk_image import (
    HEAD_BYTES,
    check_head,
    check_whole,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    FieldError,
    HostlerError,
    HostUnreachable,
    InvalidSpec,
    OperationFailed,
    PoolNotFound,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.pool import Pool
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.volume import Volume, VolumeFacts
from ansible_collections.hostler.libvirt.plugins.module_utils.image_source import ImageSource
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.image import (
    Coming,
    DiscardImage,
    FoundImage,
    PutImage,
    RemoveImage,
    plan_absent,
    plan_present,
    require_no_upload,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.step import Plan
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.wanted_image import WantedImage, validate_image
from ansible_collections.hostler.libvirt.plugins.module_utils.spec import disk_gib
from ansible_collections.hostler.libvirt.plugins.module_utils.storage import look_for_overlays, paths_in_use

_LOOK_SECONDS = 60.0
_PIECE_BYTES = 1024 * 1024
_OPTIONS = {"content": "", "sha256": "checksum", "sha512": "checksum"}  # "": that which names the source


def ensure_image(hypervisor: Hypervisor, wanted: WantedImage, folder: str, check: bool = False) -> Dict[str, Any]:
    """Bring that image to what is wanted; with ``check`` only say what that would change.

    What replaces another one and comes from a server is kept in ``folder``, on this machine, until it is known to be
    right. Answers plain data: ``changed``, ``diff``, ``plan`` (steps) and ``image`` (as it is now, None where there is
    none). Raises what the plan and its steps raise.
    """
    wanted = validate_image(wanted)
    image_upload.check_new_image(image_upload.NewImage(wanted.name))
    with _options_of(wanted):
        bringing = Bringing(hypervisor, wanted, folder, check)
        plan = bringing.absent() if wanted.state == "absent" else bringing.present()
    answer = plan.as_answer()
    shown = bringing.image_as_data()
    return {"changed": answer["changed"], "diff": answer["diff"], "plan": answer["plan"], "image": shown}


@contextmanager
def _options_of(wanted: WantedImage) -> Iterator[None]:
    """Have errors name the options that they are about."""
    try:
        yield
    except InvalidSpec as error:
        renamed = (FieldError(_option(one.field, wanted), one.message) for one in error.errors)
        raise InvalidSpec(renamed) from error
    except HostlerError as error:
        if error.field is not None:
            error.field = _option(error.field, wanted)
        raise


def _option(field: str, wanted: WantedImage) -> str:
    return (_OPTIONS[field] or wanted.source.option) if field in _OPTIONS else field


class Bringing:
    """What is known of the image on its host, and what brings another one."""

    def __init__(self, hypervisor: Hypervisor, wanted: WantedImage, folder: str, check: bool) -> None:
        self._check = check
        self._hypervisor = hypervisor
        self._wanted = wanted
        self._folder = folder
        self._source: ImageSource = wanted.source
        self._stamp: Optional[Dict[str, Any]] = None

    def absent(self) -> Plan:
        """The plan that takes it away, carried out unless it is only asked for."""
        plan = plan_absent(self._found(self._look()), self._wanted)
        if not self._check:
            perform(self._hypervisor, plan, doers=self.doers(()))
        return plan

    def present(self) -> Plan:
        """The plan that brings it, carried out unless it is only asked for."""
        wanted = self._wanted
        volume = self._look()
        found = self._found(volume)
        if found is not None:
            require_no_upload(found, wanted)
        digest = wanted.digest
        if wanted.checksum_list is not None:
            digest = self._source.listed_digest(wanted.checksum_list, ALGORITHMS[wanted.algorithm])
        is_there = volume is not None and found is not None and not found.unfinished
        if volume is not None and is_there and not wanted.force and self._is_same(volume, digest):
            return plan_present(found, wanted, None)
        with self._source.open() as opened:
            self._stamp = opened.stamp
            pieces = opened.pieces()
            head = _head(pieces)
            kind = check_head(wanted.name, head, wanted.format)
            plan = plan_present(found, wanted, Coming(kind, opened.size, digest))
            new = image_upload.NewImage(wanted.name, wanted.format, size=opened.size)
            image_upload.check_room(self._hypervisor, wanted.pool, new, in_place=volume is not None)
            if not self._check:
                perform(self._hypervisor, plan, doers=self.doers(itertools.chain((head,), pieces), opened.size))
        return plan

    def doers(self, pieces: Iterable[bytes], size: Optional[int] = None) -> Doers:
        """What does each operation; ``pieces`` are the image."""
        return {
            DiscardImage: _discard,
            RemoveImage: lambda host, operation: images.remove(host, operation.pool, operation.name),
            PutImage: lambda _host, operation: self._put(operation, pieces, size),
        }

    def image_as_data(self) -> Optional[Dict[str, Any]]:
        """The image as it is now, None where there is none."""
        pool, name = self._pool(), self._wanted.name
        volume = pool.find_volume(name)
        if volume is None or pool.find_volume(mark_of(name)) is not None:
            return None
        facts = volume.facts()
        record = read_record(pool, name)
        return {
            "name": name,
            "pool": pool.name,
            "path": facts.path,
            "format": facts.format,
            "size_gb": disk_gib(facts.capacity),
            "capacity": facts.capacity,
            "allocation": facts.allocation,
            "size": facts.length,
            "checksums": dict(record.digests) if record is not None and record.is_of(facts) else {},
        }

    def _look(self) -> Optional[Volume]:
        """The volume of its name, also if somebody has put it there by hand."""
        doing = f"look into storage pool '{self._wanted.pool}'"
        patiently(self._hypervisor, doing, _LOOK_SECONDS, lambda host: _pool_of(host, self._wanted).refresh_if_idle())
        return self._pool().find_volume(self._wanted.name)

    def _pool(self) -> Pool:
        return _pool_of(self._hypervisor, self._wanted)

    def _found(self, volume: Optional[Volume]) -> Optional[FoundImage]:
        unfinished = self._pool().find_volume(mark_of(self._wanted.name)) is not None
        if volume is None:
            return FoundImage(unfinished=True) if unfinished else None
        path = volume.path
        user = patiently(self._hypervisor, "see who needs the image", _LOOK_SECONDS, lambda host: _user_of(host, path))
        return FoundImage(user, unfinished)

    def _is_same(self, volume: Volume, digest: Optional[str]) -> bool:
        """Whether what is there is what is wanted, told by as little as tells it."""
        facts, algorithm = volume.facts(), self._wanted.algorithm
        record = read_record(self._pool(), self._wanted.name)
        if record is None and digest is None and self._source.url is not None:
            return True  # others have put it there, and nothing says that it is not this
        intact = record is not None and record.is_of(facts)
        known = record.digests.get(algorithm) if record is not None and intact else None
        if digest is None:
            self._stamp = self._source.stamp()
            if record is not None and intact and record.source == self._source.fingerprint:
                if record.stamp == self._stamp:
                    return True
                if self._source.url is not None:
                    return self._stamp is None or record.stamp is None
            elif self._source.url is not None:
                return False
            digest = self._source.digest(algorithm)
        elif known == digest:
            return True
        known = known or _digest_of(volume, algorithm)
        if known == digest and not self._check:
            self._note(facts, {algorithm: known})
        return known == digest

    def _note(self, facts: VolumeFacts, digests: Dict[str, str]) -> None:
        with suppress(OperationFailed):  # it is right without its record, which spares reading it the next time
            write_record(self._pool(), facts, digests, self._source.fingerprint, self._stamp)

    def _put(self, operation: PutImage, pieces: Iterable[bytes], size: Optional[int]) -> None:
        wanted = self._wanted
        digests = {} if operation.digest is None else {operation.algorithm: operation.digest}
        new = image_upload.NewImage(wanted.name, wanted.format, size=size, **digests)
        if not operation.replaces:
            uploaded = image_upload.upload(self._hypervisor, wanted.pool, new, pieces)
        else:
            with self._verified(new, pieces) as (known, whole):
                # what would be refused must be refused before the other one is gone
                image_upload.check_room(self._hypervisor, wanted.pool, known, in_place=True)
                images.remove(self._hypervisor, wanted.pool, wanted.name)
                try:
                    uploaded = image_upload.upload(self._hypervisor, wanted.pool, known, whole)
                except HostUnreachable:
                    raise
                except HostlerError as error:
                    gone = f"image '{wanted.name}', which it was to replace, is gone already"
                    raise OperationFailed(f"{error.message}; {gone}", error.field) from error
        self._note(uploaded.volume, dict(uploaded.digests))

    @contextmanager
    def _verified(
        self, new: image_upload.NewImage, pieces: Iterable[bytes]
    ) -> Iterator[Tuple[image_upload.NewImage, Iterable[bytes]]]:
        """The image once more, known to be right; what comes from a server is kept meanwhile.

        libvirt can't rename, so what it replaces has to go before it comes.
        """
        if self._source.url is None:
            known = _checked(new, pieces)
            with self._source.open() as again:
                yield known, again.pieces()
            return
        with tempfile.TemporaryFile(dir=self._folder) as kept:
            try:
                known = _checked(new, _kept(pieces, kept))
            except OSError as error:
                raise OperationFailed(f"Failed to keep the image in {self._folder}: {error.strerror}") from error
            kept.seek(0)
            yield known, iter(lambda: kept.read(_PIECE_BYTES), b"")


def _kept(pieces: Iterable[bytes], file: IO[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        file.write(piece)
        yield piece


def _checked(new: image_upload.NewImage, pieces: Iterable[bytes]) -> image_upload.NewImage:
    """The image with its size and SHA-256. Raises `InvalidSpec` for ``pieces`` that are not what it should be."""
    digests = Digests(tuple(ALGORITHMS))
    head, size = bytearray(), 0
    try:
        for piece in pieces:
            digests.update(piece)
            size += len(piece)
            head += piece[: max(HEAD_BYTES - len(head), 0)]
    finally:
        digests.close()
    if new.size not in (None, size):
        raise InvalidSpec([FieldError("content", f"it has {size} bytes and not the {new.size} announced")])
    found = digests.result()
    for name, digest in found.items():
        if getattr(new, name) not in (None, digest):
            raise InvalidSpec([FieldError(name, f"is not that of the content, which is {digest}")])
    check_whole(check_head(new.name, bytes(head), new.format), bytes(head), size)
    return replace(new, size=size, sha256=found["sha256"])


def _pool_of(hypervisor: Hypervisor, wanted: WantedImage) -> Pool:
    try:
        return hypervisor.pool(wanted.pool).require_active()
    except PoolNotFound as error:
        error.field = "pool"
        raise


def _user_of(hypervisor: Hypervisor, path: str) -> Optional[str]:
    look_for_overlays(hypervisor)
    return paths_in_use(hypervisor, except_uuid="").get(path)


def _discard(hypervisor: Hypervisor, operation: DiscardImage) -> None:
    images.discard_unfinished(hypervisor, operation.pool, operation.name)


def _head(pieces: Iterator[bytes]) -> bytes:
    head = bytearray()
    for piece in pieces:
        head += piece
        if len(head) >= HEAD_BYTES:
            break
    return bytes(head)


def _digest_of(volume: Volume, algorithm: str) -> str:
    digests = Digests((algorithm,))
    try:
        for piece in volume.content():
            if isinstance(piece, bytes):
                digests.update(piece)
                continue
            while piece > 0:
                zeros = bytes(min(piece, _PIECE_BYTES))
                digests.update(zeros)
                piece -= len(zeros)
    finally:
        digests.close()
    return digests.result()[algorithm]
