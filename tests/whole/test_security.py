"""docs/security.md, where no other test holds it: SQL, spreadsheets, who may read the files."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from brabeion_cli.cli import output
from tests.support.project import Project

STATEMENT = """'"; DROP TABLE events; DELETE FROM awards; --\\%_*?:user ?1"""


@pytest.mark.parametrize("deferred", [False, True])
def test_what_looks_like_sql_is_data(project: Project, deferred: bool) -> None:
    project.simple_badge(
        f"return BadgeAwarded(key=state['history'].last({STATEMENT!r}).state[{STATEMENT!r}])"
        f" if state['history'].count({STATEMENT!r}, **{{{STATEMENT!r}: {STATEMENT!r}}}) else None",
        events=[STATEMENT], multiple=True, async_=deferred,
    )  # fmt: skip
    line = {"event": STATEMENT, "user": STATEMENT, "id": STATEMENT, "state": {STATEMENT: STATEMENT}}
    project.ok("ingest", stdin=json.dumps(line))
    project.ok("process-queue")

    (award,) = project.ok("list", "--user", STATEMENT, "--badge", "one", "--json").json
    assert (award["user"], award["key"], award["event"]["id"]) == (STATEMENT, STATEMENT, STATEMENT)
    for command in ("explain --badge one --user", "progress --user", "replay --user", "leaderboard --badge one"):
        project.ok(*command.split(), *([STATEMENT] if command.endswith("--user") else []))
    given = ("--user", STATEMENT, "--badge", "one", "--key", STATEMENT, "--by", STATEMENT, "--reason", STATEMENT)
    project.ok("revoke", *given)
    assert project.sql("SELECT revoked_by, revoked_because FROM awards") == [(STATEMENT, STATEMENT)]
    assert project.sql("SELECT name, state FROM events") == [
        (STATEMENT, json.dumps(line["state"], separators=(",", ":")))
    ]
    assert "is sound" in project.ok("db", "verify").out


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", " =", "\u3000="])
def test_a_spreadsheet_runs_no_cell(first: str) -> None:
    _, line = output.csv_lines(["user"], [{"user": f"{first}1+1"}])

    assert line.strip('"') == f"'{first}1+1"


@pytest.mark.parametrize(("umask", "mode"), [("022", 0o644), ("077", 0o600), ("027", 0o640)])
def test_the_umask_says_who_may_read(project: Project, umask: str, mode: int) -> None:
    project.simple_badge("return BadgeAwarded(key=oct(os.stat('brabeion.db-wal').st_mode & 0o777))")  # fmt: skip
    fire = " ".join(project.command("fire", "it_happened", "--user", "a"))
    backup = " ".join(project.command("db", "backup", "copy.db"))

    subprocess.run(["sh", "-c", f"umask {umask} && {fire} && umask 0 && {backup}"], cwd=project.directory, check=True)

    for name in ("brabeion.db", "copy.db"):
        assert os.stat(project.directory / name).st_mode & 0o777 == mode
    assert project.sql('SELECT "key" FROM awards') == [(oct(mode),)]


def test_nothing_but_messages_between_processes_is_unpickled() -> None:
    package = Path(output.__file__).parents[1]
    using = {
        path.stem for path in package.rglob("*.py") if re.search(r"import (pickle|marshal|shelve)", path.read_text())
    }

    assert using == {"channel", "process", "evaluation"}  # which copies by it what it made itself
