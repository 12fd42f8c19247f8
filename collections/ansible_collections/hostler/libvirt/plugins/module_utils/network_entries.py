# SPDX-License-Identifier: GPL-3.0-or-later
"""What a libvirt network consists of, piece by piece, as it is asked for.

Names and meanings: https://libvirt.org/formatnetwork.html. None leaves a detail open.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Optional, Tuple

from ansible_collections.hostler.libvirt.plugins.module_utils.card import BRIDGE_PATTERN, MAC_PATTERN
from ansible_collections.hostler.libvirt.plugins.module_utils.fields import facts

# of a network that libvirt runs itself, with a bridge, addresses, DHCP and DNS of its own
OWN_MODES = ("isolated", "nat", "route", "open")
# of one whose guests are on a network of the host's
HOST_MODES = ("bridge", "private", "vepa", "passthrough", "hostdev")
MODES = OWN_MODES + HOST_MODES

INTERFACE_SAYS = "an interface name of at most 15 letters, digits, dots, dashes and underscores"
_DNS_NAME = r"^[A-Za-z0-9_*]([A-Za-z0-9_.*-]{0,252})$"
_DNS_NAME_SAYS = "a DNS name"
_LABEL = r"^[A-Za-z0-9_-]{1,63}$"


@dataclass(frozen=True)
class Forward:
    """Where the guests' traffic goes."""

    mode: Optional[str] = field(default=None, metadata=facts("How it gets out.", choices=MODES))
    dev: Optional[str] = field(
        default=None,
        metadata=facts("The only interface by which it may.", pattern=BRIDGE_PATTERN, pattern_says=INTERFACE_SAYS),
    )
    physical_function: Optional[str] = field(
        default=None,
        metadata=facts(
            "The SR-IOV card whose functions guests get.", pattern=BRIDGE_PATTERN, pattern_says=INTERFACE_SAYS
        ),
    )
    nat_start: Optional[str] = None
    nat_end: Optional[str] = None
    nat_port_start: Optional[int] = field(default=None, metadata=facts("First port.", minimum=1, maximum=65535))
    nat_port_end: Optional[int] = field(default=None, metadata=facts("Last port.", minimum=1, maximum=65535))
    nat_ipv6: Optional[bool] = None


@dataclass(frozen=True)
class DhcpRange:
    """Addresses that are leased, from ``start`` to ``end``."""

    start: str
    end: str
    lease_seconds: Optional[int] = field(default=None, metadata=facts("For how long.", minimum=0, unit="s"))


@dataclass(frozen=True)
class DhcpHost:
    """An address that is kept for a card."""

    ip: str
    mac: Optional[str] = field(
        default=None,
        metadata=facts(
            "The card's address.",
            pattern=MAC_PATTERN,
            pattern_says="six pairs of hexadecimal digits with colons between them",
        ),
    )
    id: Optional[str] = field(default=None, metadata=facts("The guest's DUID, for IPv6.", max_length=255))
    name: Optional[str] = field(
        default=None, metadata=facts("The guest's name.", pattern=_DNS_NAME, pattern_says=_DNS_NAME_SAYS)
    )
    lease_seconds: Optional[int] = field(default=None, metadata=facts("For how long.", minimum=0, unit="s"))


@dataclass(frozen=True)
class DnsHost:
    """Names that the network's DNS knows for an address."""

    ip: str
    hostnames: Tuple[str, ...]


@dataclass(frozen=True)
class DnsForwarder:
    """Whom the network's DNS asks, for all names or for those of a domain."""

    address: Optional[str] = None
    domain: Optional[str] = field(
        default=None, metadata=facts("Whose names.", pattern=_DNS_NAME, pattern_says=_DNS_NAME_SAYS)
    )


@dataclass(frozen=True)
class DnsService:
    """A SRV record."""

    service: str = field(metadata=facts("The service.", pattern=_LABEL, pattern_says="a name without dots"))
    protocol: str = field(metadata=facts("Its protocol.", pattern=_LABEL, pattern_says="a name without dots"))
    domain: Optional[str] = field(
        default=None, metadata=facts("Whose.", pattern=_DNS_NAME, pattern_says=_DNS_NAME_SAYS)
    )
    target: Optional[str] = field(
        default=None, metadata=facts("Where it is.", pattern=_DNS_NAME, pattern_says=_DNS_NAME_SAYS)
    )
    port: Optional[int] = field(default=None, metadata=facts("Its port.", minimum=1, maximum=65535))
    priority: Optional[int] = field(default=None, metadata=facts("Lower first.", minimum=0, maximum=65535))
    weight: Optional[int] = field(default=None, metadata=facts("Among equals.", minimum=0, maximum=65535))


@dataclass(frozen=True)
class DnsText:
    """A TXT record."""

    name: str = field(metadata=facts("Its name.", pattern=_DNS_NAME, pattern_says=_DNS_NAME_SAYS))
    value: str = field(
        metadata=facts(
            "Its text.",
            max_length=255,
            pattern=r"^[^\x00-\x1f\x7f]*\Z",
            pattern_says="a text without control characters",
        )
    )


@dataclass(frozen=True)
class Vlan:
    """The VLANs of a card: more than one tag is a trunk. No tags take the element away."""

    tags: Tuple[int, ...]
    trunk: Optional[bool] = None
    native: Optional[int] = field(default=None, metadata=facts("Untagged in the guest.", minimum=0, maximum=4095))


@dataclass(frozen=True)
class Rate:
    """A limit in KiB/s; ``burst`` in KiB. An average of 0 takes the limit away."""

    average: int = field(metadata=facts("In the long run.", minimum=0, unit="KiB/s"))
    peak: Optional[int] = field(default=None, metadata=facts("At most.", minimum=1, unit="KiB/s"))
    burst: Optional[int] = field(default=None, metadata=facts("At peak speed.", minimum=1, unit="KiB"))


@dataclass(frozen=True)
class Bandwidth:
    """Limits, as seen from the guests."""

    inbound: Optional[Rate] = field(default=None, metadata=facts("For what comes to them."))
    outbound: Optional[Rate] = field(default=None, metadata=facts("For what comes from them."))


@dataclass(frozen=True)
class Portgroup:
    """A kind of card on the network."""

    name: str = field(metadata=facts("What cards call it.", max_length=255, pattern=r"^.+$", pattern_says="a name"))
    default: Optional[bool] = None
    vlan: Optional[Vlan] = field(default=None, metadata=facts("Its VLANs."))
    bandwidth: Optional[Bandwidth] = field(default=None, metadata=facts("The limits of each card."))


@dataclass(frozen=True)
class Route:
    """A network that is reached through a guest."""

    address: str
    gateway: str
    metric: Optional[int] = field(default=None, metadata=facts("Lower first.", minimum=1))
