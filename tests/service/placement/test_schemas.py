# SPDX-License-Identifier: GPL-3.0-or-later
"""What a placement may name, and under which name it is told what it may not."""

from __future__ import annotations

import re
from typing import Any

import pytest
from pydantic import ValidationError

from hostler.placement.schemas import PlacementBody


def test_vms_are_named_by_id_or_tag() -> None:
    body = PlacementBody.model_validate({"near": [1, 2**31 - 1, "role=db"], "apart_from": ["web", "7"]})

    assert (body.near, body.apart_from) == ([1, 2**31 - 1, "role=db"], ["web", "7"])


@pytest.mark.parametrize("peer", [0, -1, 2**31, 1.0, True, None, "", "%", "a b", "a\n", "x" * 64, ["a"], {}])
@pytest.mark.parametrize("field", ["near", "apart_from"])
def test_what_is_neither_is_told_once_by_its_field(field: str, peer: Any) -> None:
    with pytest.raises(ValidationError, match=re.escape("it should be a VM's id or a tag")) as refused:
        PlacementBody.model_validate({field: ["web", peer]})

    assert [error["loc"] for error in refused.value.errors()] == [(field, 1)]
