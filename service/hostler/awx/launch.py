# SPDX-License-Identifier: GPL-3.0-or-later
"""What a job at AWX is launched with: whose texts are data there, and which of it AWX has to keep secret.

AWX writes what it is given at launch into a file for Ansible, with every text marked as no template (``!unsafe``);
only with its setting ALLOW_JINJA_IN_EXTRA_VARS at "always" it does not. Our own mark, ``__ansible_unsafe``, is of no
use there, for the file is YAML. So each launch has a variable that looks like a template, `CANARY`: our playbooks look
at it before anything else, and refuse to go on where it was taken for one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hostler.jobs.models import Job
from hostler.runner import unsafe

MARK = "hostler_job"
"""The variable by which a job at AWX is known to be ours, and this one."""
CANARY = "hostler_literal"
CANARY_VALUE = "{{ 'a template' }}"
SECRETS = frozenset({"vm_cloud_init", "vm_graphics"})
"""Variables whose values AWX has to encrypt: those of the spec's fields that have a secret somewhere."""


@dataclass(frozen=True)
class Launch:
    """A job as it is launched.

    :raises ValueError: a variable can't be given to a playbook (see `hostler.runner.unsafe`).
    """

    template: int | str
    """The id of the job template, or its name."""
    mark: str
    variables: Mapping[str, Any] = field(repr=False)
    """As the playbook takes them; names ours, values anybody's."""

    def __post_init__(self) -> None:
        unsafe(self.variables)  # what can't be a text, or a name, beside the service is none at AWX either

    @property
    def extra_vars(self) -> dict[str, Any]:
        """As AWX is given them. An answer to a question of type password is one text, which for secrets is JSON."""
        given = {
            name: json.dumps(value, ensure_ascii=False) if name in SECRETS else value
            for name, value in self.variables.items()
        }
        return {**given, MARK: self.mark, CANARY: CANARY_VALUE}

    @property
    def secrets(self) -> set[str]:
        """The names of those that AWX has to encrypt."""
        return {name for name in SECRETS if self.variables.get(name)}


def mark_of(job: Job) -> str:
    """What tells this job from all others at AWX, those of other services included."""
    # a database that was made anew counts its jobs from 1 again
    return f"{job.vm_uuid or ''}/{job.id}/{job.created_at.timestamp():.6f}"
