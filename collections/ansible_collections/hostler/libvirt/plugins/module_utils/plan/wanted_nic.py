# SPDX-License-Identifier: GPL-3.0-or-later
"""One network card of a VM as it should be, apart from the VM itself."""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass, field
from typing import Iterable, Iterator, Optional

from ansible_collections.hostler.libvirt.plugins.module_utils.card import (
    BRIDGE_PATTERN,
    CARD_MODELS,
    MAC_PATTERN,
    NetworkConfig,
    card_errors,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import FieldError, InvalidSpec
from ansible_collections.hostler.libvirt.plugins.module_utils.fields import (
    LIBVIRT_NAME_PATTERN,
    LIBVIRT_NAME_SAYS,
    check_types,
    facts,
    field_errors,
)

STATES = ("present", "absent")
TYPES = ("nat", "bridge", "network")
LINKS = ("up", "down")

_NAME = {"pattern": LIBVIRT_NAME_PATTERN, "pattern_says": LIBVIRT_NAME_SAYS}
_MOST = 2**31 - 1
_QEMUS = "52:54:00"  # the first half of the addresses of QEMU's cards


@dataclass(frozen=True)
class WantedRate:
    """How much may go one way; None leaves a figure as it is, 0 takes it away."""

    average: Optional[int] = field(default=None, metadata=facts("KiB a second.", minimum=0, maximum=_MOST))
    peak: Optional[int] = field(default=None, metadata=facts("KiB a second for a while.", minimum=0, maximum=_MOST))
    burst: Optional[int] = field(default=None, metadata=facts("KiB at the peak rate.", minimum=0, maximum=_MOST))


@dataclass(frozen=True)
class WantedBandwidth:
    """How much a card may get and send."""

    inbound: Optional[WantedRate] = field(default=None, metadata=facts("What the guest gets."))
    outbound: Optional[WantedRate] = field(default=None, metadata=facts("What the guest sends."))


@dataclass(frozen=True)
class WantedNic:
    """What one card should be. It is that of ``mac_address``, else the one at ``index``, else that of ``alias``.

    None leaves a setting as it is; a new card gets what is usual.
    """

    state: str = field(default="present", metadata=facts("What the card is to be.", choices=STATES))
    mac_address: Optional[str] = field(
        default=None,
        metadata=facts(
            "The card's address.",
            pattern=MAC_PATTERN,
            pattern_says="six pairs of hexadecimal digits with colons between them",
        ),
    )
    alias: Optional[str] = field(
        default=None,
        metadata=facts(
            "The card's name in the VM's definition.",
            pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$",
            pattern_says="1 to 40 letters, digits, dashes and underscores, the first a letter or digit",
        ),
    )
    index: Optional[int] = field(default=None, metadata=facts("Which card it is.", minimum=0, maximum=255))
    type: Optional[str] = field(default=None, metadata=facts("What it is plugged into.", choices=TYPES))
    bridge_name: Optional[str] = field(
        default=None,
        metadata=facts(
            "The host's bridge.",
            pattern=BRIDGE_PATTERN,
            pattern_says="an interface name of at most 15 letters, digits, dots, dashes and underscores",
        ),
    )
    network_name: Optional[str] = field(default=None, metadata=facts("The libvirt network.", **_NAME))
    network: str = field(default="default", metadata=facts("The host's NAT network.", **_NAME))
    model: Optional[str] = field(default=None, metadata=facts("What the guest takes it for.", choices=CARD_MODELS))
    link: Optional[str] = field(default=None, metadata=facts("Whether its cable is in.", choices=LINKS))
    filter: Optional[str] = field(
        default=None,
        metadata=facts(
            "Its network filter.",
            pattern=r"^[^/\x00-\x1f\x7f]{0,255}$",
            pattern_says="the name of a network filter, or empty for none",
        ),
    )
    bandwidth: Optional[WantedBandwidth] = field(default=None, metadata=facts("How much it may get and send."))
    live: bool = field(default=False, metadata=facts("Whether that of a VM that runs may be changed."))
    timeout: float = field(default=60, metadata=facts("How long the guest has to let go.", unit="s", minimum=0))

    @property
    def config(self) -> NetworkConfig:
        """What it is plugged into, as a new VM's card has it."""
        config = NetworkConfig(self.type or "nat", self.bridge_name, self.network_name)
        return dataclasses.replace(config, mac_address=self.mac_address)


def validate_nic(wanted: WantedNic) -> WantedNic:
    """``wanted`` with its address as libvirt writes it; raises `InvalidSpec` with all that can't be."""
    check_types(wanted)
    errors = [*field_errors(wanted), *_together_errors(wanted)]
    if errors:
        raise InvalidSpec(errors)
    return wanted if wanted.mac_address is None else dataclasses.replace(wanted, mac_address=wanted.mac_address.lower())


def address_for(uuid: str, alias: str, taken: Iterable[str]) -> str:
    """The address of a new card that has only a name: the same for that VM and name each time, unless it is ``taken``.

    So check mode can foretell it, and a card that comes back has the address that it had.
    """
    others = set(taken)
    for attempt in range(len(others) + 1):
        digest = hashlib.sha256(f"{uuid}/{alias}/{attempt}".encode()).hexdigest()
        address = f"{_QEMUS}:{digest[0:2]}:{digest[2:4]}:{digest[4:6]}"
        if address not in others:
            return address
    raise InvalidSpec([FieldError("mac_address", "is required: all that its alias leads to are taken")])


def _together_errors(wanted: WantedNic) -> Iterator[FieldError]:
    if wanted.mac_address is None and wanted.alias is None and wanted.index is None:
        yield FieldError("mac_address", "is required, or alias or index: one of them says which card is meant")
    if wanted.index is not None and wanted.mac_address is not None:
        yield FieldError("index", "does not go with mac_address")
    if wanted.index is not None and wanted.state == "absent":
        yield FieldError("index", "goes with state present only: after one card has gone it is that of the next")
    if wanted.type is not None or wanted.bridge_name or wanted.network_name or wanted.mac_address is not None:
        yield from card_errors("", wanted.config)
