# SPDX-License-Identifier: GPL-3.0-or-later
"""The AWX that carries actions out: whether it answers, and has job templates that take what they will be given."""

from __future__ import annotations

from hostler.awx import AwxError, Controller
from hostler.dispatch import Action, executor_of
from hostler.doctor.finding import Finding, failed, ok
from hostler.jobs.models import Executor
from hostler.settings import Settings

_REMEDY = "See 'AWX as the service's engine' in docs/awx.md, which has what to do for"


async def all_templates(settings: Settings) -> list[Finding]:
    """Read what a launch of each action reads; nothing is launched."""
    if not settings.awx_url:
        return []
    actions = [action for action in Action if executor_of(action, settings) is Executor.AWX]
    controller = Controller(settings)
    try:
        return [await _template(controller, action) for action in actions]
    finally:
        await controller.close()


async def _template(controller: Controller, action: Action) -> Finding:
    check = f"awx {action.value}"
    try:
        name = await controller.check_template(action.value)
    except AwxError as error:
        return failed(check, error.message, f"{_REMEDY} {error.code}")
    return ok(check, f"AWX's job template '{name}' takes what it will be given")
