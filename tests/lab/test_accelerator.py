# SPDX-License-Identifier: GPL-3.0-or-later
"""The answer of the accelerator's probe is remembered for as long as it can be true."""

import json
from pathlib import Path

import pytest

from lab.accelerator import SETTING, remembered_virt_type, virt_type
from lab.errors import LabError
from lab.image.build import Image

# QEMU refuses to start with a kernel that does not exist, under KVM too: a probe with it answers "qemu" at once
NO_IMAGE = Image(recipe="", qcow2=Path("/nonexistent"), kernel=Path("/nonexistent"), initramfs=Path("/nonexistent"))


def test_setting_overrides_the_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    for answer in ("kvm", "qemu"):
        monkeypatch.setenv(SETTING, answer)
        assert virt_type(NO_IMAGE) == answer


def test_setting_with_another_value_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SETTING, "xen")
    with pytest.raises(LabError, match="'xen': it must be kvm or qemu"):
        virt_type(NO_IMAGE)


def test_probe_without_an_answer_means_emulation_and_is_written_down(tmp_path: Path) -> None:
    answer = tmp_path / "answer.json"
    assert remembered_virt_type(answer, NO_IMAGE) == "qemu"
    assert json.loads(answer.read_text())["virt_type"] == "qemu"


def test_remembered_answer_is_believed(tmp_path: Path) -> None:
    answer = tmp_path / "answer.json"
    remembered_virt_type(answer, NO_IMAGE)
    answer.write_text(answer.read_text().replace('"virt_type": "qemu"', '"virt_type": "kvm"'))
    assert remembered_virt_type(answer, NO_IMAGE) == "kvm"


@pytest.mark.parametrize("changed", ["boot", "qemu"])
def test_another_boot_or_another_qemu_asks_again(tmp_path: Path, changed: str) -> None:
    answer = tmp_path / "answer.json"
    remembered_virt_type(answer, NO_IMAGE)
    known = json.loads(answer.read_text())
    known["question"][changed] = "another"
    known["virt_type"] = "kvm"
    answer.write_text(json.dumps(known))
    assert remembered_virt_type(answer, NO_IMAGE) == "qemu"


def test_damaged_answer_is_no_obstacle(tmp_path: Path) -> None:
    answer = tmp_path / "answer.json"
    answer.write_text("{")
    assert remembered_virt_type(answer, NO_IMAGE) == "qemu"
