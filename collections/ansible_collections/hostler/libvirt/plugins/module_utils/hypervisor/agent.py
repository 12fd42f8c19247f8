# SPDX-License-Identifier: GPL-3.0-or-later
"""Talking to a guest's agent: QEMU's protocol (qemu-ga-ref), over libvirt."""

from __future__ import annotations

import base64
import json
from typing import Any, Mapping, Optional, Type, TypeVar

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    AgentUnavailable,
    OperationFailed,
    Unsupported,
    WrongState,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.domain import Domain
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.failure import translated

# what the agent says of a command that it does not know, or that whoever looks after the guest has forbidden
_REFUSED = ("has been disabled", "has not been found", "not allowed")

Kind = TypeVar("Kind", int, bool, str)

MOST_SENT = 64 * 1024
"""How many bytes a command may carry. Of one with 192 KiB the agent never saw the end (libvirt 9.0, QEMU 7.2), and was
gone for everybody until its next start."""


def ask_agent(domain: Domain, command: str, arguments: Optional[Mapping[str, Any]] = None, patience: int = 10) -> Any:
    """What the agent answers to ``command`` within ``patience`` seconds.

    Raises `AgentUnavailable` if it does not, `Unsupported` for a command that the guest refuses, `WrongState` for a VM
    that does not run, `OperationFailed` with the agent's reason, and for what is no answer.
    """
    try:
        import libvirt_qemu  # a part of libvirt-python, that only this needs
    except ImportError as error:
        raise Unsupported(f"This libvirt-python can't talk to guest agents: {error}") from error
    asked = json.dumps({"execute": command, **({"arguments": arguments} if arguments else {})})
    try:
        with translated(f"have the guest agent do {command}"):
            answer = libvirt_qemu.qemuAgentCommand(domain.handle, asked, patience, 0)
    except OperationFailed as error:
        if any(words in error.message for words in _REFUSED):
            raise Unsupported(f"The guest's agent does not do {command}: it is not allowed there") from error
        raise
    except WrongState as error:
        raise WrongState("VM is not running: its guest agent does nothing") from error
    except AgentUnavailable as error:
        raise AgentUnavailable(
            "The guest's agent does not answer: is qemu-guest-agent installed and running in the guest?"
        ) from error
    try:
        return json.loads(answer)["return"]
    except (ValueError, LookupError, TypeError, RecursionError):
        raise _senseless(f"no answer to {command}") from None


def said(answer: Any, name: str, kind: Type[Kind], default: Optional[Kind] = None) -> Kind:
    """What ``answer`` says by that name: the guest may be anybody's, and answer anything.

    Raises `OperationFailed` where it is not of that kind.
    """
    value = answer.get(name, default) if isinstance(answer, dict) else None
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise _senseless(f"no {kind.__name__} as '{name}'")
    return value


def said_bytes(answer: Any, name: str, default: Optional[str] = None) -> bytes:
    """As `said`, of bytes, which are written in base64."""
    try:
        return base64.b64decode(said(answer, name, str, default))
    except ValueError:
        raise _senseless(f"no base64 as '{name}'") from None


def _senseless(reason: str) -> OperationFailed:
    return OperationFailed(f"The guest's agent says what makes no sense: {reason}")
