# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module that changes networks says of what a network consists of."""

from __future__ import annotations


class ModuleDocFragment:
    """Documentation of the options that describe a network, named as in the core's `NetworkWish`."""

    DOCUMENTATION = r"""
options:
  forward:
    description:
      - Where the traffic of guests goes; of a new network to one another and the host only where it is left out.
    type: dict
    suboptions:
      mode:
        description:
          - V(isolated), V(nat), V(route) and V(open) are networks with a bridge, addresses, DHCP and DNS of their own.
            The host's firewall lets nothing out of V(isolated), translates the addresses of V(nat), lets V(route)
            through, and is left alone for V(open).
          - V(bridge) has guests on a network of the host's own, by O(bridge), or directly by O(interfaces) (macvtap).
            V(private), V(vepa), V(passthrough) (macvtap, too) and V(hostdev) (PCI devices of SR-IOV cards) need
            O(interfaces).
          - With another mode all else that the network says of forwarding goes, unless it is named.
        type: str
        choices: [isolated, nat, route, open, bridge, private, vepa, passthrough, hostdev]
      dev:
        description: The only interface of the host by which traffic goes out, for V(nat) and V(route).
        type: str
      physical_function:
        description: The SR-IOV card whose virtual functions guests get, for V(passthrough) and V(hostdev).
        type: str
      nat_start:
        description: The first of the addresses that guests of V(nat) appear with.
        type: str
      nat_end:
        description: The last of them.
        type: str
      nat_port_start:
        description: The first of the ports that they appear with.
        type: int
      nat_port_end:
        description: The last of them.
        type: int
      nat_ipv6:
        description: Whether IPv6 addresses are translated, too; otherwise they are routed.
        type: bool
  bridge:
    description:
      - The name of the network's bridge; a free name of a new network where it is left out.
      - With mode V(bridge) that of a bridge of the host.
    type: str
  domain:
    description: The DNS domain of the guests; an empty text for none.
    type: str
  domain_local:
    description: Whether the DNS asks nobody else for names of O(domain).
    type: bool
  mtu:
    description: The largest packet in bytes, at least 68; 0 for the usual one.
    type: int
  addresses:
    description:
      - The host's addresses on the network, IPv4 and IPv6, each with the length of its prefix, as in V(192.168.5.1/24).
      - One that the network has with another prefix gets this one. Others stay, unless O(addresses_exclusive=true).
    type: list
    elements: str
  dhcp_ranges:
    description:
      - Addresses that are leased, in the subnet of one of O(addresses). libvirt has DHCP in one subnet of each family.
      - An entry is the range with its start and end. Others stay, unless O(dhcp_ranges_exclusive=true).
    type: list
    elements: dict
    suboptions:
      start:
        description: The first address.
        type: str
        required: true
      end:
        description: The last address.
        type: str
        required: true
      lease_seconds:
        description: For how long an address is leased, at least 120; 0 for ever.
        type: int
  dhcp_hosts:
    description:
      - Addresses that are kept for cards.
      - An entry is the one with its O(dhcp_hosts[].mac), else its O(dhcp_hosts[].id), else its O(dhcp_hosts[].name),
        and of the family of its address. Others stay, unless O(dhcp_hosts_exclusive=true).
    type: list
    elements: dict
    suboptions:
      mac:
        description:
          - The card's address, in quotes, as YAML takes one without letters for a number.
          - One of O(dhcp_hosts[].mac), O(dhcp_hosts[].id) and O(dhcp_hosts[].name) is needed.
        type: str
      id:
        description: The guest's DUID, for IPv6.
        type: str
      name:
        description: The guest's name.
        type: str
      ip:
        description: The address.
        type: str
        required: true
      lease_seconds:
        description: For how long it is leased, at least 120; 0 for ever.
        type: int
  dns_enabled:
    description: Whether the network has a DNS server; a new one has.
    type: bool
  dns_hosts:
    description:
      - Names that the DNS knows. An entry is that of its address, and has these names and no others.
      - Other entries stay, unless O(dns_hosts_exclusive=true).
    type: list
    elements: dict
    suboptions:
      ip:
        description: The address.
        type: str
        required: true
      hostnames:
        description: Its names.
        type: list
        elements: str
        required: true
  dns_forwarders:
    description:
      - Whom the DNS asks what it does not know; those of the host where there are none.
      - Others stay, unless O(dns_forwarders_exclusive=true).
    type: list
    elements: dict
    suboptions:
      address:
        description:
          - The server's address. Where it is left out, the host's servers are asked for names of the domain.
        type: str
      domain:
        description: The domain whose names it is asked for; all where it is left out.
        type: str
  dns_srv:
    description:
      - SRV records. An entry is that of the same service, protocol, domain, target and port.
      - Others stay, unless O(dns_srv_exclusive=true).
    type: list
    elements: dict
    suboptions:
      service:
        description: The service, as in V(ldap).
        type: str
        required: true
      protocol:
        description: Its protocol, as in V(tcp).
        type: str
        required: true
      domain:
        description: Whose service it is; of O(domain) where it is left out.
        type: str
      target:
        description: The host that has it.
        type: str
      port:
        description: The port there.
        type: int
      priority:
        description: Records with a lower one are used first.
        type: int
      weight:
        description: How often it is chosen among those of the same priority.
        type: int
  dns_txt:
    description:
      - TXT records, by their names. Others stay, unless O(dns_txt_exclusive=true).
    type: list
    elements: dict
    suboptions:
      name:
        description: The record's name.
        type: str
        required: true
      value:
        description: Its text.
        type: str
        required: true
  vlan:
    description: The VLANs of guests' cards, where the network is one of Open vSwitch or of SR-IOV.
    type: dict
    suboptions: &vlan
      tags:
        description: Their numbers; more than one is a trunk. An empty list for no VLAN.
        type: list
        elements: int
        required: true
      trunk:
        description: Whether guests see the tags; always so with more than one.
        type: bool
      native:
        description: The one of them whose packets are untagged in the guest.
        type: int
  openvswitch:
    description: Whether O(bridge) is one of Open vSwitch.
    type: bool
  portgroups:
    description:
      - Kinds of cards, by name. Of one that is there what is named is changed.
      - Others stay, unless O(portgroups_exclusive=true).
    type: list
    elements: dict
    suboptions:
      name:
        description: What a card's definition calls it.
        type: str
        required: true
      default:
        description: Whether cards that name none are of this one.
        type: bool
      vlan:
        description: The VLANs of its cards.
        type: dict
        suboptions: *vlan
      bandwidth:
        description: The limits of each of its cards.
        type: dict
        suboptions: &bandwidth
          inbound:
            description: For what comes to the guests.
            type: dict
            suboptions: &rate
              average:
                description: How fast in the long run, in KiB/s; 0 takes the limit away.
                type: int
                required: true
              peak:
                description: How fast at most, in KiB/s.
                type: int
              burst:
                description: How much at that speed, in KiB.
                type: int
          outbound:
            description: For what comes from the guests.
            type: dict
            suboptions: *rate
  routes:
    description:
      - Networks that the host reaches through a guest. An entry is that of the same network.
      - Others stay, unless O(routes_exclusive=true).
    type: list
    elements: dict
    suboptions:
      address:
        description: The network, as in V(10.20.0.0/16).
        type: str
        required: true
      gateway:
        description: The guest's address.
        type: str
        required: true
      metric:
        description: A route with a lower one is preferred.
        type: int
  interfaces:
    description:
      - Interfaces of the host that guests' cards are put upon, for the modes that need such; for V(hostdev) PCI
        addresses of virtual functions, as in V(0000:03:10.1).
      - Others stay, unless O(interfaces_exclusive=true).
    type: list
    elements: str
  bandwidth:
    description: The limits of the network as a whole.
    type: dict
    suboptions: *bandwidth
  autostart:
    description: Whether the network starts with its host; a new one does not where it is left out.
    type: bool
  addresses_exclusive:
    description: Whether O(addresses) is complete, so that others go, with their DHCP.
    type: bool
    default: false
  dhcp_ranges_exclusive:
    description: Whether O(dhcp_ranges) is complete, so that others go.
    type: bool
    default: false
  dhcp_hosts_exclusive:
    description: Whether O(dhcp_hosts) is complete, so that others go.
    type: bool
    default: false
  dns_hosts_exclusive:
    description: Whether O(dns_hosts) is complete, so that others go.
    type: bool
    default: false
  dns_forwarders_exclusive:
    description: Whether O(dns_forwarders) is complete, so that others go.
    type: bool
    default: false
  dns_srv_exclusive:
    description: Whether O(dns_srv) is complete, so that others go.
    type: bool
    default: false
  dns_txt_exclusive:
    description: Whether O(dns_txt) is complete, so that others go.
    type: bool
    default: false
  portgroups_exclusive:
    description: Whether O(portgroups) is complete, so that others go.
    type: bool
    default: false
  routes_exclusive:
    description: Whether O(routes) is complete, so that others go.
    type: bool
    default: false
  interfaces_exclusive:
    description: Whether O(interfaces) is complete, so that others go.
    type: bool
    default: false
"""
