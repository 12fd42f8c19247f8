# SPDX-License-Identifier: GPL-3.0-or-later
"""The command ``python -m chaos``."""

from __future__ import annotations

import argparse
import random
import signal
import sys
from collections.abc import Sequence
from types import FrameType

from bench.errors import BenchError
from chaos.report import save
from chaos.run import Plan, run
from lab.errors import LabError

_MINUTES = {"faults": 5.0, "soak": 20.0}


def main(arguments: Sequence[str] | None = None) -> int:
    """Have hosts fail, or work for long; exit code 1 if anything is wrong at the end."""
    parser = argparse.ArgumentParser(prog="chaos", description="Whether anything is lost, whatever fails.")
    parser.add_argument("kind", nargs="?", choices=list(_MINUTES), default="faults", help="with faults, or for long")
    parser.add_argument("--minutes", type=float, help="how long everybody works (default: 5, and 20 for soak)")
    parser.add_argument("--hosts", type=int, default=3, help="how many hosts (default: 3)")
    parser.add_argument("--seed", type=int, help="what is done in which order (default: another one each time)")
    parser.add_argument("--postgres", action="store_true", help="on PostgreSQL")
    asked = parser.parse_args(arguments)
    plan = Plan(
        minutes=_MINUTES[asked.kind] if asked.minutes is None else asked.minutes,
        hosts=asked.hosts,
        seed=random.randrange(10**6) if asked.seed is None else asked.seed,  # noqa: S311  no secret
        with_faults=asked.kind == "faults",
        postgres=asked.postgres,
    )
    signal.signal(signal.SIGTERM, _interrupt)
    name = "soak" if asked.kind == "soak" else "chaos-postgres" if plan.postgres else "chaos"
    print(f"{name}: {plan.hosts} hosts, {plan.minutes:g} minutes, seed {plan.seed} …", flush=True)
    try:
        outcome = run(plan)
    except (BenchError, LabError, OSError) as error:
        print(f"chaos: {error}; .chaos/service.log has the service's log", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("chaos: interrupted", file=sys.stderr)
        return 1
    save(name, plan, outcome)
    for one in outcome.wrong:
        print(f"  {one}")
    print(f"  {len(outcome.wrong)} wrong; docs/reliability.md says the rest")
    return int(bool(outcome.wrong))


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
