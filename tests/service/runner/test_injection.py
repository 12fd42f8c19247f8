# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user wrote stays text, whatever it looks like, all the way through a real playbook and back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hostler.runner import PlaybookRun, PlaybookStatus
from tests.service.runner.conftest import Site

pytestmark = pytest.mark.anyio


def attempts(trap: Path) -> list[str]:
    """Answer texts each of which would make the file ``trap`` if something took it for more than text."""
    return [
        f"{{{{ lookup('pipe', 'touch {trap}') }}}}",
        f"{{% if lookup('pipe', 'touch {trap}') %}}x{{% endif %}}",
        f"{{# #}}{{{{ query('pipe', 'touch {trap}') }}}}",
        f"#jinja2: variable_start_string:'[[', variable_end_string:']]'\n[[ lookup('pipe', 'touch {trap}') ]]",
        f"{{{{ '{{{{' }}}} lookup('pipe', 'touch {trap}') {{{{ '}}}}' }}}}",
        f"!unsafe {{{{ lookup('pipe', 'touch {trap}') }}}}",
        f'!!python/object/apply:os.system ["touch {trap}"]',
        f"{{\"__ansible_unsafe\": \"{{{{ lookup('pipe', 'touch {trap}') }}}}\"}}",
        f"x\n- hosts: localhost\n  tasks:\n    - command: touch {trap}\n",
        f"$(touch {trap}) `touch {trap}`; touch {trap} | touch {trap} & touch {trap}",
        f"' ; touch {trap} ; '",
        f"_raw_params=touch creates={trap}",
        "@/etc/hostname",
        "-e @/etc/hostname --vault-id x",
        "$ANSIBLE_VAULT;1.1;AES256\n6162",
        "null",
        "yes",
        "0644",
        "1e3",
        "[1, 2",
        "{",
        "tab\tand\r\nline ends\n",
        "grüße, 你好, 🐧, \u202e, \xa0",
        "",
    ]


async def test_user_values_stay_literal_in_every_place_a_playbook_uses_them(site: Site, tmp_path: Path) -> None:
    trap, kept = tmp_path / "trap", tmp_path / "kept"
    texts = attempts(trap)
    values = {"texts": texts, "deep": {"a": [{"b": texts}], "c": [[texts]]}, "number": 7, "nothing": None, "yes": True}
    site.write(
        "everywhere",
        """
        - name: Write
          ansible.builtin.copy:
            content: "{{ values | to_json }}"
            dest: "{{ kept }}"
            mode: "0600"
        - name: Set a fact and use it
          ansible.builtin.set_fact:
            again: "{{ values }}"
        - name: Loop
          ansible.builtin.command:
            argv: [printf, "%s", "{{ item }}"]
          loop: "{{ again.deep.a[0].b[:10] }}"
        - name: Shell
          ansible.builtin.shell: "printf %s {{ item | quote }}"
          loop: "{{ again.deep.a[0].b[9:11] }}"
        - name: Compare
          ansible.builtin.assert:
            that: again.texts[0] == values.deep.a[0].b[0]
            success_msg: "{{ again.texts[0] }}"
        - name: Print
          ansible.builtin.debug:
            var: again
        - name: Hand back
          ansible.builtin.set_stats:
            data: {values: "{{ again }}"}
        """,
    )

    outcome = await site.run("everywhere", extravars={"values": values, "kept": str(kept)})

    assert outcome.failure is None
    assert not trap.exists()
    assert json.loads(kept.read_text()) == values
    assert outcome.artifacts["values"] == values
    assert [item["stdout"] for item in outcome.results["Loop"]["results"]] == [
        text.rstrip("\r\n") for text in texts[:10]
    ]
    assert [item["stdout"] for item in outcome.results["Shell"]["results"]] == texts[9:11]


@pytest.mark.parametrize("value", ["{{ lookup('pipe', 'touch TRAP') }}", ["{{ lookup('pipe', 'touch TRAP') }}"]])
async def test_the_same_values_do_run_when_nothing_wraps_them(site: Site, tmp_path: Path, value: object) -> None:
    """The trap works: so the test above can fail."""
    trap = tmp_path / "trap"
    (site.playbooks / "group_vars").mkdir()
    (site.playbooks / "group_vars" / "all.json").write_text(json.dumps({"value": value}).replace("TRAP", str(trap)))
    site.write("bare", "- ansible.builtin.debug: {var: value}")

    await site.run("bare")

    assert trap.exists()


@pytest.mark.parametrize("name", ["ansible_connection", "ansible_python_interpreter", "hypervisor"])
def test_a_caller_cannot_set_the_variables_that_steer_ansible(name: str) -> None:
    with pytest.raises(ValueError, match="not the caller's"):
        PlaybookRun("vm_create", extravars={name: "x"})


@pytest.mark.parametrize("value", ["a\0b", {"a": [{"{{ b }}": 1}]}])
async def test_what_cannot_be_made_safe_never_starts(site: Site, value: object) -> None:
    site.write("never", "- ansible.builtin.debug: {var: value}")

    with pytest.raises(ValueError, match=r"not allowed|no name"):
        await site.run("never", extravars={"value": value})

    assert site.events == []
    assert site.left_behind() == []


async def test_a_playbook_never_sees_the_command_line_filled_with_values(site: Site) -> None:
    site.write("argv", "- {name: Look, ansible.builtin.shell: \"cat /proc/[0-9]*/cmdline | tr '\\\\0' ' '\"}")

    outcome = await site.run("argv", extravars={"value": "a-secret-in-plain-sight"})

    assert outcome.status is PlaybookStatus.SUCCEEDED
    assert "ansible-playbook" in outcome.results["Look"]["stdout"]
    assert "a-secret-in-plain-sight" not in outcome.results["Look"]["stdout"]
