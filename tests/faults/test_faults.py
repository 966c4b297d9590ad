"""Nothing lost, nothing doubled: the scenarios, a few times each; `python -m tests.faults` runs them in full."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.faults import __main__ as command
from tests.faults.guards import GUARDS, Guard, source
from tests.faults.scenario import Scenario, make_project
from tests.faults.scenarios import QUICK
from tests.support.lengths import lengths
from tests.support.processes import has_ended, wait_until
from tests.support.project import Project


@pytest.mark.parametrize("length", lengths("quick", "long"))
@pytest.mark.parametrize("scenario", QUICK, ids=lambda scenario: scenario.name)
def test_nothing_is_lost_and_nothing_doubled(scenario: Scenario, length: str, tmp_path: Path) -> None:
    figures = scenario.run(make_project(tmp_path / "site"), random.Random(20261125), getattr(scenario, length))

    assert figures.broken == []


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)
def test_each_guard_stands_where_it_is_taken_away(guard: Guard) -> None:
    # How often a scenario then fails is in docs/faults.md.
    assert guard.text in source(guard).read_text()
    assert guard.scenario in [scenario.name for scenario in QUICK]


@pytest.mark.soak
@pytest.mark.parametrize("scenario", [scenario.name for scenario in QUICK])
def test_without_its_guards_a_scenario_fails(scenario: str) -> None:
    assert command.main([scenario, "--guards"]) == 0


def test_a_killed_command_leaves_no_process_behind(project: Project) -> None:
    project.simple_badge(
        "open('pid', 'w').write(str(os.getpid()))\ntime.sleep(0.5)", slug="slow", events=["points_awarded"]
    )
    pid = project.directory / "pid"
    process = project.start("fire", "points_awarded", "--user", "alice", "--state", '{"points": 8000}')
    wait_until(lambda: pid.exists() and pid.read_text())
    process.kill()
    process.communicate()

    wait_until(lambda: has_ended(int(pid.read_text())))
