# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of a network, as a module's argument spec, named as in the core's `NetworkWish`.

Their documentation is the fragment ``network``, and that of the module for what is no property of a network.
"""

from __future__ import annotations

from typing import Any, Dict

from ansible_collections.hostler.libvirt.plugins.module_utils.network_entries import MODES
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.network_wish import LISTS, STATES

_RATE = dict(
    average=dict(type="int", required=True),
    peak=dict(type="int"),
    burst=dict(type="int"),
)
_BANDWIDTH = dict(
    inbound=dict(type="dict", options=_RATE),
    outbound=dict(type="dict", options=_RATE),
)
_VLAN = dict(
    tags=dict(type="list", elements="int", required=True),
    trunk=dict(type="bool"),
    native=dict(type="int"),
)


def _entries(**options: Any) -> Dict[str, Any]:
    return dict(type="list", elements="dict", options=options)


NETWORK_OPTIONS: Dict[str, Any] = dict(
    name=dict(type="str", required=True),
    state=dict(type="str", choices=list(STATES), default="present"),
    forward=dict(
        type="dict",
        options=dict(
            mode=dict(type="str", choices=list(MODES)),
            dev=dict(type="str"),
            physical_function=dict(type="str"),
            nat_start=dict(type="str"),
            nat_end=dict(type="str"),
            nat_port_start=dict(type="int"),
            nat_port_end=dict(type="int"),
            nat_ipv6=dict(type="bool"),
        ),
    ),
    bridge=dict(type="str"),
    domain=dict(type="str"),
    domain_local=dict(type="bool"),
    mtu=dict(type="int"),
    addresses=dict(type="list", elements="str"),
    dhcp_ranges=_entries(
        start=dict(type="str", required=True),
        end=dict(type="str", required=True),
        lease_seconds=dict(type="int"),
    ),
    dhcp_hosts=_entries(
        mac=dict(type="str"),
        id=dict(type="str"),
        name=dict(type="str"),
        ip=dict(type="str", required=True),
        lease_seconds=dict(type="int"),
    ),
    dns_enabled=dict(type="bool"),
    dns_hosts=_entries(
        ip=dict(type="str", required=True),
        hostnames=dict(type="list", elements="str", required=True),
    ),
    dns_forwarders=_entries(
        address=dict(type="str"),
        domain=dict(type="str"),
    ),
    dns_srv=_entries(
        service=dict(type="str", required=True),
        protocol=dict(type="str", required=True),
        domain=dict(type="str"),
        target=dict(type="str"),
        port=dict(type="int"),
        priority=dict(type="int"),
        weight=dict(type="int"),
    ),
    dns_txt=_entries(
        name=dict(type="str", required=True),
        value=dict(type="str", required=True),
    ),
    vlan=dict(type="dict", options=_VLAN),
    openvswitch=dict(type="bool"),
    portgroups=_entries(
        name=dict(type="str", required=True),
        default=dict(type="bool"),
        vlan=dict(type="dict", options=_VLAN),
        bandwidth=dict(type="dict", options=_BANDWIDTH),
    ),
    routes=_entries(
        address=dict(type="str", required=True),
        gateway=dict(type="str", required=True),
        metric=dict(type="int"),
    ),
    interfaces=dict(type="list", elements="str"),
    bandwidth=dict(type="dict", options=_BANDWIDTH),
    autostart=dict(type="bool"),
    xml=dict(type="str"),
    restart=dict(type="bool", default=False),
    force=dict(type="bool", default=False),
)
NETWORK_OPTIONS.update({f"{name}_exclusive": dict(type="bool", default=False) for name in LISTS})
