# SPDX-License-Identifier: GPL-3.0-or-later
"""How a VM's screen is reached, as it should be."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import Iterator, Optional

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import FieldError
from ansible_collections.hostler.libvirt.plugins.module_utils.fields import facts

DISPLAY_TYPES = ("vnc", "spice", "none")
VNC_PASSWORD_LENGTH = 8  # in bytes; more than that the protocol has no room for
SPICE_PASSWORD_LENGTH = 60
_LEAST_VNC_PORT = 5900  # QEMU counts its displays from there


@dataclass(frozen=True)
class GraphicsConfig:
    """A VM's display. None leaves a setting of one that is there as it is; a new one gets what is usual."""

    type: str = field(
        default="vnc",
        metadata=facts("C(vnc) or C(spice); C(none) is a VM without a display.", choices=DISPLAY_TYPES),
    )
    listen: Optional[str] = field(
        default=None,
        metadata=facts("The host's address at which it listens; a new one's is 127.0.0.1.", max_length=45),
    )
    port: Optional[int] = field(
        default=None,
        metadata=facts("Its TCP port; any free one where it is 0, as a new one has it.", minimum=0, maximum=65535),
    )
    websocket: Optional[bool] = field(
        default=None, metadata=facts("Whether browsers reach it, by a WebSocket at a port of its own; C(vnc) only.")
    )
    keymap: Optional[str] = field(
        default=None,
        metadata=facts(
            "The keyboard's layout, such as C(de); an empty text for that of the viewer.",
            pattern=r"^([a-z]{2}(-[a-z]{2,8})?)?$",
            pattern_says="a layout such as de or en-us, or empty",
        ),
    )
    password: Optional[str] = field(
        default=None,
        repr=False,
        metadata=facts(
            "What viewers have to know; an empty text for nothing.",
            pattern=r"^[^\x00-\x1f\x7f]*$",  # libvirt makes a space of a tab or line break when it writes it down
            pattern_says="a text without control characters",
            max_length=SPICE_PASSWORD_LENGTH,
            secret=True,
        ),
    )


def graphics_errors(config: GraphicsConfig) -> Iterator[FieldError]:
    """What is wrong with the fields of ``config`` together, or by more than their bounds."""
    if config.type == "none":
        for name in ("listen", "port", "websocket", "keymap", "password"):
            if getattr(config, name) is not None:
                yield FieldError(f"graphics.{name}", "goes with a display, and type none has none")
        return
    if config.listen is not None and not _is_address(config.listen):
        yield FieldError("graphics.listen", "must be an IP address of the host")
    if config.websocket is not None and config.type != "vnc":
        yield FieldError("graphics.websocket", "goes with type vnc only")
    if config.type == "vnc" and 0 < (config.port or 0) < _LEAST_VNC_PORT:
        yield FieldError("graphics.port", f"of type vnc must be 0 or at least {_LEAST_VNC_PORT}")
    password = config.password or ""
    most = VNC_PASSWORD_LENGTH if config.type == "vnc" else SPICE_PASSWORD_LENGTH
    too_long = len(password.encode(errors="replace")) > most
    if too_long and (config.type == "vnc" or len(password) <= most):  # of more than those it has been said
        others = "" if password.isascii() else ", of which those that are not ASCII count for 2 to 4"
        yield FieldError("graphics.password", f"of type {config.type} is longer than {most} characters{others}")


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text
