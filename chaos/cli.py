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
from chaos.api import ApiSilent
from chaos.moments import MomentsOutcome, MomentsPlan, run_moments
from chaos.moments_report import MOMENTS
from chaos.report import save
from chaos.run import Outcome, Plan, run
from lab.errors import LabError

_MINUTES = {"faults": 5.0, "soak": 20.0}
_TIMES = 200


def main(arguments: Sequence[str] | None = None) -> int:
    """Have hosts fail, or work for long; exit code 1 if anything is wrong at the end."""
    parser = argparse.ArgumentParser(prog="chaos", description="Whether anything is lost, whatever fails.")
    parser.add_argument("kind", nargs="?", choices=[*_MINUTES, MOMENTS], default="faults", help="what is done")
    parser.add_argument("--minutes", type=float, help="how long everybody works (default: 5, and 20 for soak)")
    parser.add_argument("--times", type=int, default=_TIMES, help="of moments: how many (default: 200)")
    parser.add_argument("--hosts", type=int, default=3, help="how many hosts (default: 3)")
    parser.add_argument("--seed", type=int, help="what is done in which order (default: another one each time)")
    parser.add_argument("--postgres", action="store_true", help="on PostgreSQL")
    asked = parser.parse_args(arguments)
    seed = random.randrange(10**6) if asked.seed is None else asked.seed  # noqa: S311  no secret
    signal.signal(signal.SIGTERM, _interrupt)
    name = {"faults": "chaos"}.get(asked.kind, asked.kind) + ("-postgres" if asked.postgres else "")
    plan: Plan | MomentsPlan
    outcome: Outcome | MomentsOutcome
    try:
        if asked.kind == MOMENTS:
            plan = MomentsPlan(asked.times, seed, asked.postgres)
            print(f"{name}: {plan.times} moments, seed {seed} …", flush=True)
            outcome = run_moments(plan)
        else:
            minutes = _MINUTES[asked.kind] if asked.minutes is None else asked.minutes
            plan = Plan(minutes, asked.hosts, seed, asked.kind == "faults", asked.postgres)
            print(f"{name}: {plan.hosts} hosts, {plan.minutes:g} minutes, seed {seed} …", flush=True)
            outcome = run(plan)
    except (BenchError, LabError, OSError, ApiSilent) as error:
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
