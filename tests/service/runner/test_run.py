# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run tells, and what it comes to: real playbooks, real modules."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from hostler.runner import LogLine, PlaybookStatus, StepFinished, StepStarted, StepState
from tests.service.runner.conftest import Site

pytestmark = pytest.mark.anyio

FAILING_MODULE = """\
from ansible.module_utils.basic import AnsibleModule

module = AnsibleModule({"password": {"type": "str", "no_log": True}})
print("noise that is no JSON")
module.fail_json(msg="The pool has no room:\\n  it is full.", code="pool_full", field="disk_gb")
"""


async def test_a_run_tells_its_steps_in_order_and_what_they_came_to(site: Site, tmp_path: Path) -> None:
    site.write(
        "steps",
        """
        - name: Look
          ansible.builtin.stat: {path: /}
        - name: Make
          ansible.builtin.file: {path: "{{ folder }}", state: directory, mode: "0700"}
        - name: Leave out
          ansible.builtin.file: {path: "{{ folder }}", state: absent}
          when: false
        - name: Say
          ansible.builtin.debug: {msg: "{{ greeting }}"}
        - name: Hand back
          ansible.builtin.set_stats: {data: {id: 7, name: "{{ greeting }}"}}
        """,
    )

    outcome = await site.run("steps", extravars={"folder": str(tmp_path / "new"), "greeting": "Grüße, 你好 🐧"})

    steps = [event for event in site.events if not isinstance(event, LogLine)]
    assert [step.name for step in steps] == [
        name for name in ("Look", "Make", "Leave out", "Say", "Hand back") for _ in ("started", "finished")
    ]
    assert [type(step) for step in steps] == [StepStarted, StepFinished] * 5
    finished = [step for step in steps if isinstance(step, StepFinished)]
    assert [(step.state, step.changed) for step in finished] == [
        (StepState.OK, False),
        (StepState.CHANGED, True),
        (StepState.SKIPPED, False),
        (StepState.OK, False),
        (StepState.OK, False),
    ]
    assert finished[3].message == "Grüße, 你好 🐧"
    assert (outcome.status, outcome.rc, outcome.failure, outcome.changed) == (
        PlaybookStatus.SUCCEEDED,
        0,
        None,
        True,
    )
    assert outcome.artifacts == {"id": 7, "name": "Grüße, 你好 🐧"}
    assert outcome.results["Make"]["path"] == str(tmp_path / "new")
    assert outcome.results["Look"]["stat"]["isdir"] is True
    log = [event.text for event in site.events if isinstance(event, LogLine)]
    assert "changed: [localhost]" in log
    assert any("Grüße, 你好 🐧" in line for line in log)
    assert not any("\x1b" in line or "\r" in line for line in log)
    assert site.left_behind() == []


async def test_a_second_run_that_changes_nothing_says_so(site: Site, tmp_path: Path) -> None:
    site.write("same", '- {name: Make, ansible.builtin.file: {path: "{{ folder }}", state: directory}}')

    outcome = await site.run("same", extravars={"folder": str(tmp_path)})

    assert outcome.changed is False


async def test_check_mode_changes_nothing_and_shows_the_difference(site: Site, tmp_path: Path) -> None:
    site.write("check", '- {name: Make, ansible.builtin.file: {path: "{{ folder }}", state: directory}}')

    outcome = await site.run("check", extravars={"folder": str(tmp_path / "new")}, check=True)

    assert outcome.changed is True
    assert outcome.results["Make"]["diff"]["before"]["state"] == "absent"
    assert not (tmp_path / "new").exists()


async def test_a_failed_module_is_quoted_with_its_code_and_field(site: Site) -> None:
    (site.playbooks / "library").mkdir()
    (site.playbooks / "library" / "fails.py").write_text(FAILING_MODULE)
    site.write(
        "fails",
        """
        - name: Fail and go on
          fails:
          ignore_errors: true
        - name: Fail
          fails: {password: a-long-password}
        - name: Never
          ansible.builtin.debug:
        """,
    )

    outcome = await site.run("fails")

    assert (outcome.status, outcome.rc, outcome.changed) == (PlaybookStatus.FAILED, 2, False)
    assert outcome.failure is not None
    assert outcome.failure.message == "The pool has no room: it is full."
    assert (outcome.failure.step, outcome.failure.code, outcome.failure.field) == ("Fail", "pool_full", "disk_gb")
    assert not outcome.failure.unreachable
    finished = [event for event in site.events if isinstance(event, StepFinished)]
    assert [(event.name, event.state) for event in finished] == [
        ("Fail and go on", StepState.FAILED),
        ("Fail", StepState.FAILED),
    ]
    assert finished[1].result["code"] == "pool_full"
    assert "invocation" not in finished[1].result
    assert LogLine("failed: [localhost]: The pool has no room: it is full.") in site.events
    assert "a-long-password" not in repr((site.events, outcome, finished[1].result, outcome.failure.detail))
    assert str(site.playbooks) not in repr(site.events)


async def test_a_rescued_failure_is_a_success(site: Site) -> None:
    site.write(
        "rescued",
        """
        - name: Try
          block: [{name: Fail, ansible.builtin.fail: {msg: No}}]
          rescue: [{name: Help, ansible.builtin.debug: {msg: Yes}}]
        """,
    )

    outcome = await site.run("rescued")

    assert (outcome.status, outcome.failure) == (PlaybookStatus.SUCCEEDED, None)


async def test_of_a_loop_the_first_failed_item_is_quoted(site: Site) -> None:
    site.write(
        "loop",
        """
        - name: Loop
          ansible.builtin.fail: {msg: "No {{ item }}"}
          when: item > 1
          loop: [1, 2, 3]
        """,
    )

    outcome = await site.run("loop")

    assert outcome.failure is not None
    assert outcome.failure.message == "No 2"


async def test_an_included_file_is_not_named_in_the_log_but_its_steps_are(site: Site) -> None:
    (site.playbooks / "tasks").mkdir()
    (site.playbooks / "tasks" / "inner.yml").write_text("- {name: Inner, ansible.builtin.debug: }")
    site.write(
        "include",
        """
        - {name: Include, ansible.builtin.include_tasks: tasks/inner.yml}
        - {name: Include what is missing, ansible.builtin.include_tasks: tasks/missing.yml}
        """,
    )

    outcome = await site.run("include")

    assert list(outcome.results) == ["Include", "Inner", "Include what is missing"]
    assert outcome.failure is not None
    assert "can't be read" in outcome.failure.message
    assert "missing.yml" in (outcome.failure.detail or "")
    assert str(site.playbooks) not in repr((site.events, outcome, outcome.results))


async def test_a_crashed_module_s_trace_is_for_the_log_only(site: Site) -> None:
    (site.playbooks / "library").mkdir()
    (site.playbooks / "library" / "crashes.py").write_text("from ansible.module_utils.basic import json\nnonsense\n")
    site.write("crash", "- {name: Crash, crashes: }")

    outcome = await site.run("crash")

    assert outcome.failure is not None
    assert outcome.failure.detail is not None
    assert "NameError" in outcome.failure.detail
    assert "Traceback" not in repr((site.events, outcome, outcome.results))


async def test_a_step_with_no_log_tells_nothing(site: Site) -> None:
    site.write(
        "hidden",
        '- {name: Hide, ansible.builtin.shell: "echo {{ word }}; exit 1", no_log: true}',
    )

    outcome = await site.run("hidden", extravars={"word": "xyzzy-word"})

    assert outcome.failure is not None
    assert "hidden" in outcome.failure.message
    assert "xyzzy-word" not in repr((site.events, outcome, outcome.results, outcome.failure.detail))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- hosts: all\n  tasks: [{no_such_module: {}}]\n", "couldn't resolve module/action 'no_such_module'"),
        ("- hosts: all\n  tasks: [\n", "YAML parsing failed"),
        ("- hosts: elsewhere\n  tasks: []\n", "The playbook has no play for this host, so nothing was done."),
    ],
)
async def test_a_playbook_that_cannot_run_says_why(site: Site, text: str, message: str) -> None:
    (site.playbooks / "wrong.yml").write_text(text)

    outcome = await site.run("wrong")

    assert outcome.status is PlaybookStatus.FAILED
    assert outcome.failure is not None
    assert outcome.failure.message.startswith(message)
    assert outcome.failure.step is None


async def test_a_playbook_that_is_nowhere_is_a_failure(site: Site) -> None:
    outcome = await site.run("nowhere")

    assert outcome.status is PlaybookStatus.FAILED
    assert outcome.failure is not None
    assert "hostler.libvirt.nowhere could not be found" in outcome.failure.message


async def test_big_output_arrives_whole(site: Site) -> None:
    site.write(
        "big",
        """
        - name: Much
          ansible.builtin.shell: "yes 0123456789abcdef0123456789abcdef | head -n 60000"
        - name: Fail
          ansible.builtin.fail: {msg: "{{ 'x' * 3000000 }}"}
        """,
    )

    outcome = await site.run("big")

    assert len(outcome.results["Much"]["stdout_lines"]) == 60000
    assert outcome.failure is not None
    assert 900 < len(outcome.failure.message) < 1100


async def test_an_operator_s_ansible_cfg_beside_the_playbooks_counts(site: Site) -> None:
    (site.playbooks / "ansible.cfg").write_text("[defaults]\nroles_path = ./my_roles\n")
    (site.playbooks / "my_roles" / "greet" / "tasks").mkdir(parents=True)
    (site.playbooks / "my_roles" / "greet" / "tasks" / "main.yml").write_text(
        "- {name: Greet, ansible.builtin.debug: }"
    )
    site.write("role", "- ansible.builtin.import_role: {name: greet}")
    again = Site(site.state, site.playbooks, site.another_runner(), site.warm)

    outcome = await again.run("role")
    await again.runner.close()

    assert outcome.failure is None
    assert "Greet" in outcome.results


async def test_modules_run_in_the_service_s_own_python(site: Site) -> None:
    site.write("python", "- {name: Ask, ansible.builtin.debug: {var: ansible_playbook_python}}")

    outcome = await site.run("python")

    assert Path(outcome.results["Ask"]["ansible_playbook_python"]).parent == Path(sys.executable).parent
