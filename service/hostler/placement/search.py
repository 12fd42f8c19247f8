# SPDX-License-Identifier: GPL-3.0-or-later
"""The search for a new VM's server: a choice, made again as long as the chosen one turns out not to do."""

from __future__ import annotations

from ansible_collections.hostler.libvirt.plugins.module_utils.spec import MachineSpec
from hostler.errors import Conflict, ServiceError, Unavailable
from hostler.hosts.models import ServerState
from hostler.placement.candidates import candidates, wish_of
from hostler.placement.choice import Choice, choose
from hostler.placement.schemas import PlacementBody

MOST_ASKED = 10
"""So many servers are asked in vain before the search is given up: each that does not answer takes its time."""

_MOST_NAMED = 10


class Search:
    """The search for one VM's server, and what has come up against servers that were asked."""

    def __init__(self, spec: MachineSpec, asked: PlacementBody) -> None:
        self._spec = spec
        self._asked = asked
        self._against: dict[int, str] = {}

    async def choose(self, preferred: int | None = None) -> Choice:
        """The choice as things are now; that of the ``preferred`` server, if the VM fits there.

        Raises `Conflict` where no server fits, `Unavailable` where none can be reached, and as `wish_of`.
        """
        # the wish, too: where the VMs are that it is to be near to, or apart from, may have changed
        wish = await wish_of(self._spec, self._asked)
        choice = choose(wish, await candidates(wish), self._against, preferred)
        if choice.chosen is None:
            raise _none_fits(choice)
        return choice

    async def rule_out(self, server_id: int, reason: str) -> None:
        """Remember that the server was asked and does not do; raises as `choose` once enough have been asked."""
        self._against[server_id] = reason
        if len(self._against) >= MOST_ASKED:
            wish = await wish_of(self._spec, self._asked)
            asked = [one for one in await candidates(wish) if one.id in self._against]
            raise _none_fits(choose(wish, asked, self._against))


def _none_fits(choice: Choice) -> ServiceError:
    refused = choice.passed_over
    told = "; ".join(f"'{one.candidate.hostname}' {one.reason}" for one in refused[:_MOST_NAMED])
    more = f"; and {len(refused) - _MOST_NAMED} more" if len(refused) > _MOST_NAMED else ""
    message = f"No server fits this VM: {told}{more}"
    in_use = [one.candidate for one in refused if one.candidate.enabled]
    if in_use and all(one.state == ServerState.UNREACHABLE.value for one in in_use):
        return Unavailable(message, code="host_unreachable")
    return Conflict(message, code="no_host_fits")
