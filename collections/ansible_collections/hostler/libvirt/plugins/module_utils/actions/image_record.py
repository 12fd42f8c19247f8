# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written down of an image that was brought: a small volume beside it says what it was.

By that an image is known again without reading it, for as long as the file has the length and the time that it had
when it was written: docs/decisions/image-records.md.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Dict, Mapping, Optional

from ansible_collections.hostler.libvirt.plugins.module_utils.actions.image import record_of
from ansible_collections.hostler.libvirt.plugins.module_utils.digests import ALGORITHMS
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.pool import Pool
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.volume import VolumeFacts

_MOST_BYTES = 16 * 1024


@dataclass(frozen=True)
class ImageRecord:
    """``length`` in bytes and ``modified`` are the file's, ``source`` is where it came from, ``stamp`` what that had.

    See `ImageSource.fingerprint` and `ImageSource.stamp`.
    """

    length: int
    modified: str
    digests: Mapping[str, str] = field(default_factory=dict)
    source: Optional[str] = None
    stamp: Optional[Mapping[str, Any]] = None

    def is_of(self, volume: VolumeFacts) -> bool:
        """Whether the file is still the one that was written."""
        return (volume.length, volume.modified) == (self.length, self.modified)


def read_record(pool: Pool, name: str) -> Optional[ImageRecord]:
    """What is written down of the image, which may be of another file than is there; None where that is nothing."""
    kept = pool.find_volume(record_of(name))
    if kept is None:
        return None
    try:
        data: Dict[str, Any] = json.loads(kept.head(_MOST_BYTES))
        record = ImageRecord(**data)
        whole = all(len(record.digests[one]) == ALGORITHMS[one] for one in record.digests)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None  # somebody else's, or cut off
    return record if whole else None


def write_record(
    pool: Pool, volume: VolumeFacts, digests: Mapping[str, str], source: str, stamp: Optional[Mapping[str, Any]]
) -> None:
    """Write it down, in place of what was."""
    name = record_of(volume.name)
    pool.discard(name)
    if volume.length is None or volume.modified is None:
        return  # nothing would tell whether it is the same file still
    record = ImageRecord(volume.length, volume.modified, dict(digests), source, stamp)
    pool.create_volume(name, 0, "raw").upload(json.dumps(asdict(record)).encode())
