# SPDX-License-Identifier: GPL-3.0-or-later
"""The job template of a launch: which it is, and whether it takes what it is to be given; before any launch."""

from __future__ import annotations

from dataclasses import dataclass

from hostler.awx.client import Client
from hostler.awx.errors import AwxForbidden, AwxIgnoredFields, AwxNotFound, AwxSecretInClear
from hostler.awx.launch import Launch
from hostler.awx.shape import number_in, objects_in


@dataclass(frozen=True)
class Template:
    """A job template, as far as a launch is concerned."""

    id: int
    name: str
    takes_any: bool
    """Whether it takes variables that its survey does not ask for."""
    questions: dict[str, str]
    """The type of each question of its survey, by the variable."""

    def check(self, launch: Launch) -> None:
        """Raise what a launch would be refused with, or worse: would be taken as another one than it is."""
        ignored = set() if self.takes_any else launch.extra_vars.keys() - self.questions.keys()
        if ignored:
            raise ignored_fields(self.name, ignored)
        clear = {name for name in launch.secrets if self.questions.get(name) != "password"}
        if clear:
            raise AwxSecretInClear(
                f"AWX's job template '{self.name}' has no question of type password for {', '.join(sorted(clear))}, "
                "so everybody who may see its jobs could read it"
            )


def ignored_fields(template: str, names: set[str]) -> AwxIgnoredFields:
    """The error of a template that leaves out some of what it is given."""
    return AwxIgnoredFields(f"AWX's job template '{template}' does not take {', '.join(sorted(names))}")


async def find_template(client: Client, wanted: int | str, organization: str) -> int:
    """The id of the job template of that name or id.

    Raises `AwxNotFound` where there is none, or several.
    """
    if isinstance(wanted, int):
        return wanted
    within = {"organization__name": organization} if organization else {}
    answer = await client.get("job_templates/", name=wanted, page_size=2, **within)
    found = objects_in(answer, "results", "job templates")
    if len(found) > 1:
        raise AwxNotFound(f"AWX has several job templates '{wanted}'; awx_organization says which is meant")
    if not found:
        raise AwxNotFound(f"AWX has no job template '{wanted}', or does not show it to the user of the service's token")
    return number_in(found[0], "id", "a job template")


async def read_template(client: Client, wanted: int | str, organization: str) -> Template:
    """Look at the job template; raises `AwxNotFound`, `AwxForbidden`."""
    template_id = await find_template(client, wanted, organization)
    name = wanted if isinstance(wanted, str) else f"with id {wanted}"
    try:
        asked = await client.get(f"job_templates/{template_id}/launch/")
        survey = await client.get(f"job_templates/{template_id}/survey_spec/") if asked.get("survey_enabled") else {}
    except AwxNotFound:
        raise AwxNotFound(f"AWX has no job template {name}") from None
    except AwxForbidden:
        raise AwxForbidden(f"The user of the service's token may not launch AWX's job template '{name}'") from None
    spec = objects_in(survey, "spec", "a survey's questions") if survey.get("spec") else []
    questions = {str(one.get("variable")): str(one.get("type")) for one in spec}
    return Template(template_id, name, bool(asked.get("ask_variables_on_launch")), questions)
