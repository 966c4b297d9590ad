"""No command runs badge files in its own process: what they do there, the command survives."""

from __future__ import annotations

import subprocess
import sys

import pytest

from brabeion_cli.sandbox import process
from tests.support.badge_texts import POINTS
from tests.support.project import Project

#: Every command that has to know the badges, with what it answers where a badge file ends its process.
COMMANDS = [
    ["list"],
    ["list", "--json"],
    ["badges"],
    ["badges", "--json"],
    ["revoke", "--user", "a", "--badge", "points", "--level", "Silver", "--reason", "void"],
    ["award", "--user", "a", "--badge", "points", "--level", "Silver", "--reason", "quiz"],
    ["db", "prune", "--before", "2020-01-01"],
    ["check"],
    ["replay"],
    ["explain", "--user", "a", "--badge", "points"],
    ["progress", "--user", "a"],
    ["fire", "points_awarded", "--user", "a", "--state", '{"points": 1}'],
    ["ingest", "nothing.ndjson"],
    ["process-queue"],
]


@pytest.fixture
def fired(project: Project) -> Project:
    project.badge(POINTS)
    project.ok("fire", "points_awarded", "--user", "a", "--state", '{"points": 8000}')
    project.write("nothing.ndjson", "")
    return project


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_badge_file_that_ends_its_process_is_named(fired: Project, command: list[str]) -> None:
    fired.badge("import os\nos._exit(0)\n", "odd.py")

    result = fired.run(*command)

    assert result.status == 78
    assert "loading the badge modules failed: its process ended with exit status 0" in result.err
    assert fired.sql("SELECT count(*) FROM awards WHERE revoked_at IS NULL") == [(1,)]


@pytest.mark.parametrize("command", [["list"], ["badges"], COMMANDS[4]], ids=" ".join)
def test_a_badge_file_that_never_ends_is_given_up(fired: Project, command: list[str]) -> None:
    fired.badge("while True:\n    pass\n", "odd.py")
    assert process.START_TIMEOUT > 60  # seconds, too many for a test
    sooner = (
        "from brabeion_cli.sandbox import process; process.START_TIMEOUT = 1.0; from brabeion_cli.cli import run; run()"
    )

    done = subprocess.run(
        [sys.executable, "-c", sooner, *command], cwd=fired.directory, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip

    assert done.returncode == 78
    assert "the badge modules were not loaded within 1 s" in done.stderr


def test_a_badge_file_that_breaks_after_an_award_does_not_deny_it(fired: Project) -> None:
    fired.badge(POINTS.replace('slug = "points"', 'slug = "steps"\n        cumulative = True'), "steps.py")
    fired.badge(
        """
        import os
        from brabeion_cli.signals import badge_awarded

        @badge_awarded.connect
        def receive(sender, badge_award, **kwargs):
            open("badges/broken.py", "w").write("1 / 0")
            os._exit(3)
        """,
        "receiver.py",
    )

    result = fired.run("award", "--user", "b", "--badge", "steps", "--level", "3", "--reason", "quiz")

    assert result.status == 0  # the awards are on disk: 78 would say that they are not
    assert fired.sql("SELECT level FROM awards WHERE badge = 'steps' ORDER BY level") == [(1,), (2,), (3,)]
    assert result.err.count("did not return") == 1
    assert "receivers of badge_awarded were not called: a mistake in a badge module:" in result.err


def test_badge_files_are_loaded_once(fired: Project) -> None:
    fired.badge("open('loaded', 'a').write('x')\n", "counting.py")
    for command in ["award", "db", "check", "list", "badges"]:
        (fired.directory / "loaded").unlink(missing_ok=True)
        fired.run(*next(each for each in COMMANDS if each[0] == command))

        assert (fired.directory / "loaded").read_text() == "x", command
