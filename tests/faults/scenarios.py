"""All scenarios, with how many times each is done: in the quick suite, by `pytest -m long`, and in a full run."""

from __future__ import annotations

import random
import re
import subprocess
import sys
from functools import partial
from pathlib import Path

from tests.faults import corruption, killing, opening, working, writing
from tests.faults.scenario import Figures, Scenario
from tests.support.project import Project

ROOT = Path(__file__).parents[2]


def cases(files: str, project: Project, rng: random.Random, times: int) -> Figures:
    """All tests of some files, the long ones and the soak ones too."""
    command = [sys.executable, "-m", "pytest", "-q", "-m", "", *files.split()]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout
    counts = {what: int(count) for count, what in re.findall(r"(\d+) (passed|skipped|failed|error)", said)}
    return Figures({**counts}, [line for line in said.splitlines() if line.startswith(("FAILED", "ERROR"))])


def damaged_pages(project: Project, rng: random.Random, times: int) -> Figures:
    """A store's file is damaged `times` times; `db verify` has to notice."""
    found = corruption.corrupt_and_verify(project.directory, rng, times)
    counts = {what: sum(each[what] for each in found.values()) for what in ("found", "missed", "harmless")}
    figures = Figures({**counts, "% found": round(100 * corruption.rate(found), 1)})
    if figures.counts["% found"] < 95:
        figures.broken.append(str(found))
    return figures


SCENARIOS = [
    Scenario("R1", "16 writers through the API", writing.sixteen_writers, 5, 20, 1000),
    Scenario("R1b", "16 commands at a time under xargs", writing.sixteen_commands, 1, 2, 25),
    Scenario("R2", "kill -9 of `fire`", killing.killed_fires, 6, 15, 1000),
    Scenario("R3", "kill -9 of 4 workers", working.killed_workers, 10, 20, 1000),
    Scenario("R4", "workers stopped past their lease", working.stopped_workers, 3, 4, 60),
    Scenario("R5", "`ingest` killed and started again", killing.killed_ingests, 2, 5, 50),
    Scenario("R6a", "16 processes on a missing file", opening.first_fires, 1, 2, 30),
    Scenario("R6b", "8 migrators at once", opening.migrators, 1, 2, 30),
    Scenario("R6c", "killed in mid-migration", opening.killed_migrations, 3, 10, 300),
    Scenario("R8", "pages damaged at random, for `db verify`", damaged_pages, 0, 0, 1000),
    Scenario("R13", "SIGTERM and SIGINT", killing.ended_by_signals, 2, 6, 100),
    Scenario("R14", "single writers beside `ingest`", writing.singles_beside_a_stream, 2000, 4000, 100_000),
    Scenario("R15", "`db backup` under 4 writers", writing.backups_under_writers, 1, 2, 8),
    Scenario(
        "R7", "a full disk, for each command that writes", partial(cases, "tests/whole/test_full_disk.py"), 0, 0, 1
    ),
    Scenario("R8b", "unusable files x commands", partial(cases, "tests/whole/test_unusable_files.py"), 0, 0, 1),
    Scenario(
        "R9", "hostile badges, deferred, and sync (R10)", partial(cases, "tests/sandbox/test_hostile.py"), 0, 0, 1
    ),
    Scenario("R11", "JSON that is refused or accepted", partial(cases, "tests/domain/test_json_cases.py"), 0, 0, 1),
    Scenario("R12", "every script, in every locale", partial(cases, "tests/whole/test_scripts.py"), 0, 0, 1),
    Scenario("R16", "random steps against a model", partial(cases, "tests/whole/test_model.py"), 0, 0, 1),
    Scenario("R17", "killed before each statement", partial(cases, "tests/whole/test_crash_points.py"), 0, 0, 1),
    Scenario("R18", "prune, forget, rename", partial(cases, "tests/store/test_retention.py"), 0, 0, 1),
]

#: Those that the suite runs in a quick form; the others are tests of their own.
QUICK = [scenario for scenario in SCENARIOS if scenario.quick]
