"""Runs scenarios in full and prints what they counted, as a Markdown table.

    python -m tests.faults [NAME ...] [--long] [--seed N] [--guards]

With --guards each scenario runs (in its long form, some times) on a copy of the code without a guard of its own.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.faults.guards import GUARDS, copy_without
from tests.faults.scenario import Figures, Scenario, make_project
from tests.faults.scenarios import SCENARIOS

ROOT = Path(__file__).parents[2]
TRIES = 3  # of a scenario without its guard
LONGEST = 40  # seconds for one of them; most take 5


def main(arguments: Sequence[str] | None = None) -> int:
    """The status: 1 where a promise was broken, or (with --guards) where a guard was not missed."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("names", nargs="*", help="scenarios, such as R2 (all)")
    parser.add_argument("--long", action="store_true", help="as pytest -m long does them")
    parser.add_argument("--seed", type=int, default=20261125)
    parser.add_argument("--guards", action="store_true", help="without each guard in turn")
    given = parser.parse_args(arguments)
    chosen = [s for s in SCENARIOS if not given.names or {s.name, s.name.rstrip("abc")} & {*given.names}]
    if given.guards or given.long:
        chosen = [scenario for scenario in chosen if scenario.quick]
    if given.guards:
        return _without_guards(chosen, given.seed)
    print(f"{datetime.date.today()}, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, ", end="")
    print(f"{platform.system()} {platform.machine()}, seed {given.seed}\n")
    print("| | scenario | counted | broken | seconds |\n|---|---|---|---|---|", flush=True)
    status = 0
    for scenario in chosen:
        started = time.monotonic()
        figures = run(scenario, scenario.long if given.long else scenario.full, given.seed)
        counted = ", ".join(f"{value:,} {name}" for name, value in figures.counts.items())
        seconds = time.monotonic() - started
        print(f"| {scenario.name} | {scenario.title} | {counted} | {len(figures.broken)} | {seconds:.0f} |", flush=True)
        for line in figures.broken[:20]:
            print(f"{scenario.name}: {line}", file=sys.stderr)
        status |= bool(figures.broken)
    return status


def run(scenario: Scenario, times: int, seed: int) -> Figures:
    """One run in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        return scenario.run(make_project(Path(folder, "site")), random.Random(seed), times)


def _without_guards(chosen: list[Scenario], seed: int) -> int:
    print("| | guard taken away | runs that fail | for example |\n|---|---|---|---|", flush=True)
    status = 0
    for guard in GUARDS:
        if guard.scenario not in [scenario.name for scenario in chosen]:
            continue
        with tempfile.TemporaryDirectory() as folder:
            path = f"{copy_without(guard, Path(folder))}:{ROOT}"
            length = [] if guard.full else ["--long"]
            command = [sys.executable, "-P", "-m", "tests.faults", guard.scenario, *length, "--seed"]
            said = [_failing([*command, str(seed + n)], folder, path) for n in range(TRIES)]
        failed = [line for line in said if line is not None]
        print(
            f"| {guard.scenario} | {guard.name} | {len(failed)} of {TRIES} | {(failed or [''])[0]:.120} |", flush=True
        )
        status |= not failed
    return status


def _failing(command: list[str], folder: str, path: str) -> str | None:
    """What a run that fails says last; None where it does not fail."""
    run = subprocess.Popen(
        command, cwd=folder, env={**os.environ, "PYTHONPATH": path}, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        said = run.communicate(timeout=LONGEST)[1].strip()
    except subprocess.TimeoutExpired:
        os.killpg(run.pid, signal.SIGKILL)
        run.communicate()
        return f"not through after {LONGEST} s"
    return said.rpartition("\n")[2] if run.returncode else None


if __name__ == "__main__":
    sys.exit(main())
