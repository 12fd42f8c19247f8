# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run of benchmarks leaves: results, a page and plots; those of other benchmarks stay."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench import results, wrk
from bench.cli import main
from bench.errors import BenchError
from bench.figures import Figure, Result
from bench.report import write_page

RATE = Figure("Reads", "GET /api/vms", 800, "requests/s", 4000, "an empty route", 1000, "higher", "1,000")
TIME = Figure("Pages", "search: 100%", 3.25, "ms", 3.0, "the first page", 8.0, "lower", "5 ms more")
SIZE = Figure("Size", "the module", 212.5, "KiB")


def result(name: str, *figures: Figure) -> Result:
    return Result(name, list(figures), "2026-01-01 12:00 UTC", 0.1, ["A note."], {"Python": "3.11"})


@pytest.mark.parametrize(
    ("figure", "met"),
    [
        (RATE, False),
        (Figure("", "", 1000, "", target=1000, better="higher"), True),
        (TIME, True),
        (Figure("", "", 8.01, "", target=8.0), False),
        (SIZE, None),
    ],
)
def test_a_target_is_met_or_not_or_not_there(figure: Figure, met: bool | None) -> None:
    assert figure.met is met


def test_a_result_replaces_its_own_only_and_reads_as_it_was(tmp_path: Path) -> None:
    first, other, again = result("reads", RATE), result("size", SIZE), result("reads", TIME)
    for one in (first, other, again):
        results.save(one, tmp_path)

    assert results.load_all(["size", "reads", "never taken"], tmp_path) == [other, again]


def test_what_can_t_be_written_leaves_the_file_of_before(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    results.write(path, "before")

    with pytest.raises(UnicodeEncodeError):
        results.write(path, "\ud800")

    assert path.read_text() == "before"


def test_the_page_has_every_figure_and_a_plot_of_each_group(tmp_path: Path) -> None:
    page = tmp_path / "benchmarks.md"

    write_page([result("reads", RATE, TIME), result("size", SIZE)], page)

    text = page.read_text()
    assert "| GET /api/vms | 800 requests/s | 4,000 requests/s (an empty route) | ≥ 1,000 requests/s | **no** |" in text
    assert "| search: 100% | 3.25 ms | 3 ms (the first page) | ≤ 8 ms | yes |" in text
    assert "| the module | 212.5 KiB |" in text
    assert text.count("A note.") == 2
    for plot in re.findall(r"\]\((benchmarks/[^)]+\.svg)\)", text):
        shown = (tmp_path / plot).read_text()
        ElementTree.fromstring(shown)  # noqa: S314 - it is ours
        # each colour is one of both schemes'
        names = set(re.findall(r"var\(--(\w+)\)", shown))
        assert "bar" in names or "missed" in names
        assert all(shown.count(f"--{name}:#") == 2 for name in names)
        assert not re.search("#0[1-6]0[1-6]0[1-6]", shown)


def test_a_load_is_for_loopback_only() -> None:
    with pytest.raises(BenchError, match="not on loopback"):
        wrk.load("http://192.0.2.1:80", '"/"', 1)


def test_a_benchmark_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["raeds"])

    assert "there is no benchmark raeds" in capsys.readouterr().err
