# SPDX-License-Identifier: GPL-3.0-or-later
"""The AWX that the settings name: launching jobs there, following them, canceling them."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Collection, Mapping

import structlog

from hostler.awx.client import Client, MethodNotAllowed
from hostler.awx.errors import AwxError, AwxIgnoredFields, AwxNotFound
from hostler.awx.following import Follower, OnState
from hostler.awx.launch import SECRETS, Launch
from hostler.awx.launching import Launched, Patience, find_launched, launch_once, look_for
from hostler.awx.states import state_of
from hostler.awx.template import find_template, read_template
from hostler.runner import PlaybookEvent, PlaybookOutcome
from hostler.settings import Settings

log = structlog.get_logger(__name__)

_TEMPLATES: dict[str, int | str] = {
    "vm_create": "Hostler / Service / Create a VM",
    "vm_resize": "Hostler / Service / Resize a VM",
}
"""What awx_setup calls the job templates for services, by their actions."""

_ALWAYS_GIVEN = ("hypervisor", "libvirt_uri", "vm_uuid")
_WITH_SECRETS = frozenset({"vm_create"})
"""The actions whose playbooks may be given secrets."""

_ENDING_SECONDS = 60.0  # how long a job that was canceled may take to end there
_LOOK_AGAIN_SECONDS = 0.5


class Controller:
    """One a process."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client = Client(settings)
        self._follower = Follower(self._client, settings.awx_absence_seconds)
        self._patience = Patience(settings.awx_timeout_seconds, settings.awx_absence_seconds)

    def template_of(self, action: str) -> int | str:
        """The job template of an action: its id, or its name."""
        given: dict[str, int | str] = {str(name): wanted for name, wanted in self._settings.awx_templates.items()}
        return given.get(action, _TEMPLATES[action])

    async def check_template(self, action: str) -> str:
        """Read the action's job template as a launch does, and answer its name.

        Raises the `AwxError` that a launch with secrets would fail with.
        """
        template = await read_template(self._client, self.template_of(action), self._settings.awx_organization)
        names = {*_ALWAYS_GIVEN, *(SECRETS if action in _WITH_SECRETS else ())}
        template.check(Launch(template.id, "", dict.fromkeys(names, "something")))
        return template.name

    async def launch(self, launch: Launch, launched: Launched) -> int:
        """Launch a job and answer its number, which ``launched`` keeps before anything else happens.

        Raises `AwxError`: then no job of it runs there, unless it says that this is unknown.
        """
        template = await read_template(self._client, launch.template, self._settings.awx_organization)
        template.check(launch)
        numbers: list[int] = []

        async def keep(number: int) -> None:
            numbers.append(number)
            await launched(number)

        try:
            return await launch_once(self._client, template, launch, self._patience, keep)
        except AwxIgnoredFields:
            await self.cancel(numbers[0])
            raise

    async def find(self, launch: Launch) -> int | None:
        """The number of the job that was launched so, by a process that could not keep it; None where there is none.

        Raises `AwxError`.
        """
        template = await self._find_template(launch.template)
        return await find_launched(self._client, template, launch.mark, self._patience)

    async def look_for(self, template: int | str, marks: Collection[str]) -> Mapping[str, int]:
        """The numbers of the template's jobs with those marks, as far as there are any; by one look.

        Raises `AwxError`.
        """
        template_id = await find_template(self._client, template, self._settings.awx_organization)
        return await look_for(self._client, template_id, marks)

    async def _find_template(self, wanted: int | str) -> int:
        """As `find_template`, and again while AWX is away."""
        deadline = time.monotonic() + self._patience.absence
        while True:
            try:
                return await find_template(self._client, wanted, self._settings.awx_organization)
            except AwxNotFound:
                raise
            except AwxError as error:
                if time.monotonic() > deadline:
                    raise
                log.warning("awx.away", template=wanted, reason=error.message)
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)

    async def has_ended(self, number: int) -> bool:
        """Whether a job has ended, or is not there any more; by one look. Raises `AwxError`."""
        try:
            return state_of((await self._client.get(f"jobs/{number}/")).get("status")).is_final
        except AwxNotFound:
            return True

    async def have_canceled(self, number: int) -> None:
        """Have a job end, by one request; one that has ended already is as well. Raises `AwxError`."""
        with contextlib.suppress(MethodNotAllowed, AwxNotFound):
            await self._client.post(f"jobs/{number}/cancel/", {})

    async def follow(
        self, number: int, on_event: Callable[[PlaybookEvent], None], on_state: OnState, seconds: float
    ) -> PlaybookOutcome:
        """Tell of a job until it has ended, or has taken ``seconds``; raises as `Follower.follow`."""
        return await self._follower.follow(number, on_event, on_state, time.monotonic() + seconds, self.cancel)

    async def cancel(self, number: int) -> None:
        """Have a job end at AWX and wait for that; one that can't be canceled, or does not end in time, is logged."""
        try:
            await self._cancel(number)
        except AwxError as error:
            log.warning("awx.not_canceled", awx_job=number, reason=error.message)

    async def _cancel(self, number: int) -> None:
        deadline = time.monotonic() + self._settings.awx_absence_seconds
        while True:
            try:
                await self.have_canceled(number)
                break
            except AwxError:
                if time.monotonic() > deadline:
                    raise
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)
        deadline = time.monotonic() + _ENDING_SECONDS
        while not state_of((await self._follower.ask(f"jobs/{number}/", number)).get("status")).is_final:
            if time.monotonic() > deadline:
                log.warning("awx.cancel_unheeded", awx_job=number)
                return
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)

    async def close(self) -> None:
        """Close the connections to AWX; jobs there go on."""
        await self._client.close()
