# SPDX-License-Identifier: GPL-3.0-or-later
"""What a lab's file lab.json says."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from lab.errors import LabError


@dataclass(frozen=True)
class Record:
    """What every host of the lab has in common."""

    hosts: int
    """How many there are."""
    virt_type: str
    """The domain type that really runs guests here (``kvm`` or ``qemu``)."""
    tcp: bool = False
    """Whether their libvirtds listen on TCP without TLS, for anybody on the machine."""

    @classmethod
    def read(cls, file: Path) -> Self | None:
        """Answer what the file says, None if there is none. Raises LabError if it makes no sense."""
        try:
            return cls(**json.loads(file.read_text()))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError):
            raise LabError(f"{file} is damaged; start anew: lab down, lab up") from None

    def write(self, file: Path) -> None:
        """Write it so that a reader sees the old or the new, whole."""
        unfinished = file.with_suffix(".part")
        unfinished.write_text(json.dumps(asdict(self), indent=1) + "\n")
        unfinished.replace(file)
