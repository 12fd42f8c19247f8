# SPDX-License-Identifier: GPL-3.0-or-later
"""The NoCloud seed: a small ISO image, labelled ``cidata``, from which cloud-init configures the guest at first boot.

Format: https://cloudinit.readthedocs.io/en/latest/reference/datasources/nocloud.html. Its content decides its name, so
that a changed seed is another volume and two equal ones are the same.
"""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass, field
from typing import List, Optional

from ansible_collections.hostler.libvirt.plugins.module_utils.errors import Unsupported
from ansible_collections.hostler.libvirt.plugins.module_utils.spec import CloudInit

LABEL = "cidata"


@dataclass(frozen=True)
class SeedContent:
    """The seed's files, as text. Those that may hold secrets are left out of its representation."""

    meta_data: str
    user_data: str = field(repr=False)
    network_config: Optional[str] = field(default=None, repr=False)
    vendor_data: Optional[str] = None

    @property
    def digest(self) -> str:
        """A short name for this content, the same for the same content."""
        parts = [self.meta_data, self.user_data, self.network_config]
        if self.vendor_data is not None:
            parts.append(self.vendor_data)
        return hashlib.sha256(json.dumps(parts).encode("utf-8")).hexdigest()[:12]


def seed_content(cloud_init: CloudInit, instance_id: str, name: str, vendor_data: Optional[str] = None) -> SeedContent:
    """The files for a VM: ``instance_id`` is new for a new VM, ``name`` its host name unless cloud-init names one.

    ``vendor_data`` is what cloud-init does beside the user's data, and the latter overrides.
    """
    lines = [
        f"instance-id: {_scalar(instance_id)}",
        f"local-hostname: {_scalar(cloud_init.hostname or name)}",
    ]
    if cloud_init.ssh_authorized_keys:
        lines.append("public-keys:")
        lines += [f"  - {_scalar(key)}" for key in cloud_init.ssh_authorized_keys]
    return SeedContent(
        meta_data="\n".join(lines) + "\n",
        user_data=cloud_init.user_data if cloud_init.user_data else "#cloud-config\n{}\n",
        network_config=cloud_init.network_config or None,
        vendor_data=vendor_data,
    )


def seed_image(content: SeedContent) -> bytes:
    """The ISO image of ``content``. Raises `Unsupported` where the library for it is not installed."""
    try:
        import pycdlib
    except ImportError:
        raise Unsupported(
            "cloud_init needs the Python library pycdlib on the machine that runs this", "cloud_init"
        ) from None
    iso = pycdlib.PyCdlib()
    iso.new(interchange_level=3, vol_ident=LABEL, joliet=3, rock_ridge="1.09")
    for index, (name, text) in enumerate(_files(content)):
        encoded = text.encode("utf-8")
        iso.add_fp(io.BytesIO(encoded), len(encoded), f"/FILE{index}.;1", rr_name=name, joliet_path=f"/{name}")
    image = io.BytesIO()
    iso.write_fp(image)
    iso.close()
    return image.getvalue()


def _files(content: SeedContent) -> List[List[str]]:
    files = [["meta-data", content.meta_data], ["user-data", content.user_data]]
    if content.network_config is not None:
        files.append(["network-config", content.network_config])
    if content.vendor_data is not None:
        files.append(["vendor-data", content.vendor_data])
    return files


def _scalar(text: str) -> str:
    """``text``, which is printable, as a YAML scalar: a JSON string is one.

    Not in ASCII: JSON spells a character beyond U+FFFF as two surrogates, which YAML does not join.
    """
    return json.dumps(text, ensure_ascii=False)
