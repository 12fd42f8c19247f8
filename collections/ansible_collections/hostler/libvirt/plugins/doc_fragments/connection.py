# SPDX-License-Identifier: GPL-3.0-or-later
"""What all modules say of how they reach libvirt and of what they promise."""

from __future__ import annotations


class ModuleDocFragment:
    """Documentation of the options and attributes that all modules share."""

    DOCUMENTATION = r"""
options:
  uri:
    description:
      - The libvirt connection URI of the host, such as C(qemu:///system) or C(qemu+ssh://root@host/system).
      - Where it is left out or empty, the environment variable E(LIBVIRT_DEFAULT_URI) of the machine that the
        task runs on counts; where that is empty too, libvirt's own default.
      - A URI with the transport C(ssh) or C(tls) that does not name its own key or certificates gets those of that
        machine's environment variables E(HOSTLER_SSH_KEY), E(HOSTLER_SSH_KNOWN_HOSTS), E(HOSTLER_TLS_CACERT),
        E(HOSTLER_TLS_CLIENTCERT) and E(HOSTLER_TLS_CLIENTKEY), which are paths of files. With E(HOSTLER_SSH_INSECURE)
        and E(HOSTLER_TLS_INSECURE) set to V(true) whoever answers is believed to be that host. Empty is unset.
    type: str
requirements:
  - libvirt-python
"""

    ATTRIBUTES = r"""
attributes:
  check_mode:
    description: Can run in check_mode and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: full
  idempotent:
    description: When run twice in a row outside check mode, with the same arguments, the second run changes nothing.
    support: full
"""
