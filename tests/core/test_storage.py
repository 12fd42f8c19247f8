# SPDX-License-Identifier: GPL-3.0-or-later
"""What volumes are built on, while others are being made."""

import threading
import uuid as uuids
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils import storage
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import OperationFailed
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.volume import Volume
from ansible_collections.hostler.libvirt.plugins.module_utils.storage import backing_files
from tests.core.machines import MIB

pytestmark = pytest.mark.lab


@pytest.fixture
def base(hypervisor: Hypervisor) -> Volume:
    return hypervisor.pool("default").create_volume(f"base-{uuids.uuid4().hex[:8]}.qcow2", MIB, "qcow2")


@pytest.fixture
def overlay(hypervisor: Hypervisor, base: Volume) -> Volume:
    name = f"overlay-{uuids.uuid4().hex[:8]}.qcow2"
    return hypervisor.pool("default").create_volume(name, MIB, "qcow2", backing=base.facts())


@contextmanager
def without_its_file(volume: Volume, seconds: float) -> Iterator[None]:
    """As one that libvirt lists and that is still being made: its file is there only after some time."""
    file, hidden = Path(volume.path), Path(volume.path).with_suffix(".hidden")
    file.rename(hidden)
    back = threading.Timer(seconds, hidden.rename, [file])
    back.start()
    try:
        yield
    finally:
        back.cancel()
        back.join()
        if hidden.exists():
            hidden.rename(file)


def test_an_overlay_that_is_being_made_is_waited_for(hypervisor: Hypervisor, base: Volume, overlay: Volume) -> None:
    with without_its_file(overlay, seconds=0.5):
        found = backing_files(hypervisor)

    assert found[base.path] == f"volume '{overlay.name}' in storage pool 'default'"


def test_one_whose_file_does_not_come_is_no_volume_that_somebody_has_asked_for(
    hypervisor: Hypervisor, overlay: Volume, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "_BEING_MADE_SECONDS", 0.2)

    with without_its_file(overlay, seconds=60), pytest.raises(OperationFailed, match="Storage pool 'default' can't be"):
        backing_files(hypervisor)


def test_one_that_goes_meanwhile_is_built_on_nothing(hypervisor: Hypervisor, base: Volume, overlay: Volume) -> None:
    with without_its_file(overlay, seconds=60):
        gone = threading.Timer(0.5, hypervisor.pool("default").refresh)
        gone.start()
        found = backing_files(hypervisor)
        gone.join()
    hypervisor.pool("default").refresh()  # its file is back, and is to be taken away after the test

    assert base.path not in found
