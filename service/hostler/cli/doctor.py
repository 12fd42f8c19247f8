# SPDX-License-Identifier: GPL-3.0-or-later
"""``hostler doctor``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from hostler.cli.table import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hostler.doctor.finding import Finding


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON, for machines.")] = False,
) -> None:
    """Look at everything that the service lives on, and say what is wrong and how to mend it.

    It changes nothing and may run beside the service. Exit code 1 if anything has failed.
    """
    from hostler.doctor.finding import Level

    findings = _findings()
    if as_json:
        _show_json(findings)
    else:
        _show(findings)
    if any(one.level is Level.FAILED for one in findings):
        raise typer.Exit(1)


def _findings() -> Sequence[Finding]:
    import asyncio

    from hostler import logs
    from hostler.doctor.finding import failed
    from hostler.settings import Settings, SettingsError

    try:
        settings = Settings.load()
    except SettingsError as error:
        return [failed("settings", str(error), "Mend it; 'hostler settings --reference' has all settings")]
    # what the parts that are looked at log of their own is in the findings
    logs.configure(settings.model_copy(update={"log_level": "error"}))
    from hostler.doctor.examination import examine

    return asyncio.run(examine(settings))


def _show(findings: Sequence[Finding]) -> None:
    width = max(len(one.check) for one in findings)
    for one in findings:
        typer.echo(f"{one.level.value:7}  {printable(one.check).ljust(width)}  {printable(one.message)}")
        if one.remedy is not None:
            typer.echo(f"{'':7}  {'':{width}}  -> {printable(one.remedy)}")
    counts = _counts(findings)
    typer.echo(f"{len(findings)} findings: " + ", ".join(f"{number} {level}" for level, number in counts.items()))


def _show_json(findings: Sequence[Finding]) -> None:
    import json
    from dataclasses import asdict

    typer.echo(json.dumps({"findings": [asdict(one) for one in findings], **_counts(findings)}, indent=2))


def _counts(findings: Sequence[Finding]) -> dict[str, int]:
    from hostler.doctor.finding import Level

    return {level.value: sum(one.level is level for one in findings) for level in Level}
