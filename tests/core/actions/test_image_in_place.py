# SPDX-License-Identifier: GPL-3.0-or-later
"""What an image is to replace stays where the image can't come: it would be gone for nothing."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.hostler.libvirt.plugins.module_utils.actions import images
from ansible_collections.hostler.libvirt.plugins.module_utils.actions.ensure_image import ensure_image
from ansible_collections.hostler.libvirt.plugins.module_utils.errors import (
    HostlerError,
    InvalidSpec,
    NotEnoughSpace,
)
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.connection import Hypervisor
from ansible_collections.hostler.libvirt.plugins.module_utils.hypervisor.pool import Pool, PoolSpace
from ansible_collections.hostler.libvirt.plugins.module_utils.image_source import ImageSource, OpenSource
from ansible_collections.hostler.libvirt.plugins.module_utils.plan.wanted_image import WantedImage

MIB = 1024 * 1024
NAME = "old.raw"


@pytest.fixture(params=["dir", "logical"])
def pool(test_driver: Hypervisor, request: pytest.FixtureRequest) -> Iterator[Pool]:
    """A pool of that type with a volume of 1 MiB."""
    handle = test_driver.handle.storagePoolCreateXML(
        f"<pool type='{request.param}'><name>in-place</name><source><name>vg</name></source>"
        "<target><path>/in-place</path></target></pool>"
    )
    made = test_driver.pool("in-place")
    made.create_volume(NAME, MIB, "raw")
    yield made
    handle.destroy()


@pytest.fixture
def wanted(tmp_path: Path) -> WantedImage:
    """An image of 3 MiB in place of the volume."""
    file = tmp_path / "new.raw"
    file.write_bytes(bytes(3 * MIB))
    return WantedImage(NAME, pool="in-place", path=str(file), force=True)


@pytest.mark.parametrize("pool", ["logical"], indirect=True)
@pytest.mark.parametrize("check", [True, False])
def test_what_is_in_a_pool_of_no_files_stays(
    test_driver: Hypervisor, pool: Pool, wanted: WantedImage, tmp_path: Path, check: bool
) -> None:
    with pytest.raises(InvalidSpec, match="images need a pool of files") as caught:
        ensure_image(test_driver, wanted, str(tmp_path), check=check)

    assert caught.value.field == "pool"
    assert pool.find_volume(NAME) is not None


@pytest.mark.parametrize("pool", ["dir"], indirect=True)
@pytest.mark.parametrize("said", [True, False])
def test_what_has_no_room_leaves_what_is_there(
    test_driver: Hypervisor,
    pool: Pool,
    wanted: WantedImage,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    said: bool,
) -> None:
    opened = ImageSource.open

    def opening(self: ImageSource) -> OpenSource:
        source = opened(self)
        source.size = source.size if said else None
        return source

    monkeypatch.setattr(ImageSource, "open", opening)
    monkeypatch.setattr(Pool, "space", lambda _self: PoolSpace(10 * MIB, 2 * MIB - 1))

    with pytest.raises(NotEnoughSpace, match="GiB free, less than the"):
        ensure_image(test_driver, wanted, str(tmp_path))

    assert pool.find_volume(NAME) is not None
    if said:
        with pytest.raises(NotEnoughSpace):
            ensure_image(test_driver, wanted, str(tmp_path), check=True)


@pytest.mark.parametrize("pool", ["dir"], indirect=True)
def test_the_room_of_what_goes_is_room_for_what_comes(
    test_driver: Hypervisor, pool: Pool, wanted: WantedImage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Gone(Exception):
        pass

    def gone(*_arguments: object) -> None:
        raise Gone

    monkeypatch.setattr(Pool, "space", lambda _self: PoolSpace(10 * MIB, 2 * MIB))
    monkeypatch.setattr(images, "remove", gone)

    assert ensure_image(test_driver, wanted, str(tmp_path), check=True)["changed"]
    with pytest.raises(Gone):
        ensure_image(test_driver, wanted, str(tmp_path))
    assert not issubclass(Gone, HostlerError)
    assert pool.find_volume(NAME) is not None
