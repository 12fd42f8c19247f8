# SPDX-License-Identifier: GPL-3.0-or-later
"""Each rule of docs/api.md is proved by a test that bears its name, and no test names a rule that is not there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from lab.cache import REPOSITORY

PAGE = REPOSITORY / "docs/api.md"


def rules(page: str) -> set[str]:
    """The names in bold that begin a rule."""
    return set(re.findall(r"\*\*([a-z][a-z0-9-]+)\*\*", page))


def named(source: str) -> Iterator[str]:
    """The rules that the tests of a file bear: ``@pytest.mark.rule("vm-ids", "vm-names")``."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "rule":
            for argument in node.args:
                assert isinstance(argument, ast.Constant), "a rule is named by its text"
                yield str(argument.value)


def files() -> Iterator[Path]:
    yield from sorted((REPOSITORY / "tests").rglob("test_*.py"))


def test_every_rule_of_the_api_has_a_test_that_bears_its_name() -> None:
    written = rules(PAGE.read_text("utf-8"))
    borne = {name for path in files() for name in named(path.read_text("utf-8"))}

    assert len(written) > 40
    assert written - borne == set(), "rules that no test proves"
    assert borne - written == set(), "rules that docs/api.md does not have"


def test_a_rule_is_seen_in_the_page_and_in_a_test() -> None:
    assert rules("- **vm-ids** The id … | **verb-stop** `stop` | A **Bold** word") == {"vm-ids", "verb-stop"}
    assert list(named('@pytest.mark.rule("vm-ids", "units")\ndef test_x(): pass\n')) == ["vm-ids", "units"]
