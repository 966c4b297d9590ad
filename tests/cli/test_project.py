"""`init`, `check`, `db`, and what every command does without a database."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from brabeion_cli.database.migrations import SCHEMA_VERSION
from tests.support.badge_texts import POINTS
from tests.support.lengths import lengths
from tests.support.project import Project


@pytest.fixture
def fired(project: Project) -> Project:
    project.badge(POINTS)
    project.fire("points_awarded", {"points": 8000})
    return project


def test_init_writes_a_project_that_runs(project: Project) -> None:
    result = project.ok("init", "site")

    site = project.directory / "site"
    assert result.out.splitlines()[:2] == ["wrote site/brabeion.toml", "wrote site/badges/points.py"]
    fired = project.ok("fire", "points_awarded", "--user", "alice", "--state", '{"points": 8000}', cwd=site)
    assert fired.out == "alice earned points: Silver\n"
    assert (site / "brabeion.db").exists()
    assert project.ok("check", cwd=site / "badges").status == 0
    assert "cd site && brabeion fire points_awarded" in result.out


def test_init_never_overwrites(project: Project) -> None:
    project.write("badges/points.py", "# mine\n")

    first = project.ok("init", "--json").json
    assert first == {"written": ["brabeion.toml"], "kept": ["badges/points.py"]}
    assert project.ok("init", "--json").json["written"] == []
    assert (project.directory / "badges/points.py").read_text() == "# mine\n"


def test_init_says_where_it_cannot_write(project: Project) -> None:
    project.write("site", "a file")

    result = project.run("init", "site")

    assert result.status == 2
    assert "cannot write site/brabeion.toml" in result.err


@pytest.mark.parametrize(
    "command",
    [
        "process-queue",
        "queue list",
        "queue retry --all",
        "queue drop --all",
        "list",
        "badges",
        "check",
        "award --user a --badge points --level 1 --reason x",
        "revoke --user a --badge points --reason x",
        "db migrate",
        "db backup copy.db",
        "db verify",
    ],
)
def test_every_other_command_refuses_a_database_that_is_not_there(project: Project, command: str) -> None:
    project.badge(POINTS)

    result = project.run(*command.split())

    assert result.status == 78
    assert f"no database at {project.db}" in result.err
    assert not project.db.exists()
    assert not (project.directory / "copy.db").exists()


def test_check_is_content(fired: Project) -> None:
    result = fired.ok("check", "--json").json

    assert (result["ok"], result["badges"], result["schema"], result["problems"]) == (True, 1, SCHEMA_VERSION, [])
    assert "all is well: 1 badges" in fired.ok("check").out


def test_check_says_all_that_is_wrong(fired: Project) -> None:
    fired.badge("1 / 0", "odd.py")
    fired.db.write_text("text")

    result = fired.run("check", "--json")

    assert result.status == 78
    badge, database = result.json["problems"]
    assert "odd.py:1: ZeroDivisionError" in badge
    assert "is not a SQLite database" in database
    assert sum(line.startswith("Error: ") for line in fired.run("check").err.splitlines()) == 2


def test_check_misses_tables(fired: Project) -> None:
    fired.sql("DROP TABLE tasks")

    assert "tasks is missing from the schema" in fired.run("check").err


def test_check_warns_of_a_badge_that_is_never_registered(fired: Project) -> None:
    fired.badge(POINTS.replace("badges.register(PointsBadge)", "").replace('"points"', '"other"'), "other.py")

    (warning,) = [text for text in fired.ok("check", "--json").json["warnings"] if "other.py" in text]

    assert warning.endswith("other.py:4: PointsBadge is never registered; write badges.register(PointsBadge)")


def test_migrate_says_what_it_did(fired: Project) -> None:
    assert fired.ok("db", "migrate", "--json").json == {"from": SCHEMA_VERSION, "to": SCHEMA_VERSION}
    assert f"has schema version {SCHEMA_VERSION} already" in fired.ok("db", "migrate").out


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("PRAGMA user_version = 99", "schema version 99"),
        ("PRAGMA application_id = 99", "another application's database"),
    ],
)
@pytest.mark.parametrize("command", ["fire points_awarded --user a", "list", "db migrate", "db verify"])
def test_newer_and_foreign_databases_are_refused(fired: Project, statement: str, message: str, command: str) -> None:
    fired.sql(statement)
    fired.sql("PRAGMA wal_checkpoint(truncate)")
    before = fired.db.read_bytes()

    result = fired.run(*command.split())

    assert result.status == 78
    assert message in result.err
    assert fired.db.read_bytes() == before


def test_a_backup_is_whole_while_others_write(fired: Project) -> None:
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            fired.fire("points_awarded", {"points": 1})

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(3):
            before = fired.sql("SELECT count(*) FROM events")[0][0]
            result = fired.ok("db", "backup", f"copy{number}.db", "--json").json
            copy = Path(result["file"])
            assert copy.stat().st_size == result["bytes"]
            assert "is sound" in fired.ok("db", "verify", "--db", copy).out
            assert len(fired.ok("list", "--json", "--db", copy).json) == 1
            connection = sqlite3.connect(copy)
            assert connection.execute("SELECT count(*) FROM events").fetchone()[0] >= before
            connection.close()
    finally:
        stop.set()
        writer.join()


def test_a_copy_that_is_only_read_stays_as_it_is(fired: Project) -> None:
    copy = fired.directory / "copy.db"
    fired.db.chmod(0o600)
    fired.ok("db", "backup", copy)
    before = copy.read_bytes()

    for command in ("list", "check", "db verify", "queue list", "badges"):
        fired.ok(*command.split(), "--db", copy)

    assert copy.read_bytes() == before
    assert copy.stat().st_mode & 0o777 == 0o600
    assert not (fired.directory / "copy.db-wal").exists()


def test_a_backup_overwrites_only_when_told(fired: Project) -> None:
    fired.write("copy.db", "precious")

    refused = fired.run("db", "backup", "copy.db")
    assert refused.status == 2
    assert "--overwrite" in refused.err
    assert (fired.directory / "copy.db").read_text() == "precious"
    fired.ok("db", "backup", "copy.db", "--overwrite")
    assert fired.run("db", "backup", "brabeion.db", "--overwrite").status == 2
    assert fired.run("db", "backup", "nowhere/copy.db").status == 2
    fired.write("copy.db-wal", "a log of somebody's")
    assert fired.run("db", "backup", "copy.db", "--overwrite").status == 2
    assert sorted(path.name for path in fired.directory.glob("*.partial")) == []


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("DELETE FROM events", "awards without their event"),
        ("UPDATE awards SET level = 0", "awards whose level is not a number from 1"),
        ("UPDATE events SET state = '[1]'", "events whose state is not a JSON object"),
        ("UPDATE events SET tally = 0", "events whose tally is not a number from 1"),
        ("UPDATE events SET at = 'noon'", "events whose at is not UTC text"),
        ("DROP INDEX task_due_at", "task_due_at is missing from the schema"),
    ],
)
def test_verify_finds_rows_that_break_the_rules(fired: Project, damage: str, message: str) -> None:
    assert fired.ok("db", "verify", "--json").json == {"ok": True, "problems": []}
    fired.sql(damage)

    result = fired.run("db", "verify")

    assert result.status == 75
    assert message in result.err


def test_verify_finds_damaged_pages(fired: Project) -> None:
    fired.sql("PRAGMA wal_checkpoint(truncate)")
    data = bytearray(fired.db.read_bytes())
    for page in range(1, len(data) // 4096):
        data[page * 4096 : page * 4096 + 64] = b"\xa5" * 64
    fired.db.write_bytes(data)

    result = fired.run("db", "verify")

    assert result.status == 75
    assert "Traceback" not in result.err


def test_damaged_text_in_the_catalogue_is_a_message(fired: Project) -> None:
    """SQLite quotes it, and Python cannot decode what SQLite says."""
    fired.sql("PRAGMA journal_mode = delete")
    fired.db.write_bytes(fired.db.read_bytes().replace(b"CREATE TABLE", b"CREATE \xff\xfeBLE"))

    for command in ("list", "db verify", "check"):
        result = fired.run(*command.split())
        assert result.status == 75, result
        assert "is damaged (text is malformed" in result.err


def test_damaged_text_in_a_row_is_a_message(fired: Project) -> None:
    fired.sql("INSERT INTO tasks (event_number, badge, attempts, error) VALUES (1, 'b', 1, CAST(x'ff' AS TEXT))")

    result = fired.run("queue", "list")

    assert (result.status, "is damaged (Could not decode to UTF-8" in result.err) == (75, True), result


@pytest.mark.parametrize("version", [0, -5])
def test_a_schema_version_that_never_was_is_damage(fired: Project, version: int) -> None:
    fired.sql("PRAGMA journal_mode = delete")
    fired.sql(f"PRAGMA user_version = {version}")
    before = fired.db.read_bytes()

    result = fired.run("db", "verify")

    assert (result.status, f"is damaged (schema version {version})" in result.err) == (75, True), result
    assert fired.db.read_bytes() == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_read_only_database_is_out_of_reach(fired: Project) -> None:
    fired.db.chmod(0o444)
    fired.directory.chmod(0o555)

    result = fired.run("fire", "points_awarded", "--user", "a")

    fired.directory.chmod(0o755)
    assert result.status == 75
    assert "out of reach" in result.err


@pytest.mark.parametrize("module", ["click", "pickle"])
def test_ctrl_c_while_modules_are_loaded_ends_the_command_in_silence(project: Project, module: str) -> None:
    project.write(f"{module}.py", "import time; print('loading', flush=True); time.sleep(10)")
    with project.start("fire", "it_happened", "--user", "u") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"loading\n"

        process.send_signal(signal.SIGINT)

        _, err = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT  # 130, as a shell sees it
    assert err == b""


@pytest.mark.parametrize("step", lengths(40, 8))
def test_ctrl_c_at_any_early_moment_shows_no_traceback(fired: Project, step: int) -> None:
    fired.write(
        "click.py", "import sys; print('loading', flush=True); del sys.path[0], sys.modules['click']; import click"
    )
    for milliseconds in range(0, 160, step):
        with fired.start("fire", "points_awarded", "--user", "u", "--state", '{"points": 1}') as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"loading\n"
            time.sleep(milliseconds / 1000)

            process.send_signal(signal.SIGINT)

            _, err = process.communicate(timeout=60)
        assert process.returncode in (-signal.SIGINT, 130, 0), err
        assert b"Traceback" not in err


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
@pytest.mark.parametrize(
    ("command", "status"), [("nonsense", 2), ("list", 78), ("fire it_happened --user u --state [", 2)]
)
def test_the_status_is_right_where_nobody_can_read_why(project: Project, command: str, status: int) -> None:
    with open("/dev/full", "w") as full:
        process = project.start(*command.split(), stderr=full)
        assert process.wait(timeout=20) == status
        process.communicate()


def test_an_early_ctrl_c_that_is_ignored_stays_ignored(project: Project) -> None:
    project.simple_badge("return None")
    ignoring = "import os, sys; from signal import *; signal(SIGINT, SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
    project.write("click.py", "import os, signal; os.kill(os.getpid(), signal.SIGINT); raise SystemExit('went on')")

    command = [sys.executable, "-c", ignoring, *project.command("fire", "it_happened", "--user", "u")]
    done = subprocess.run(command, cwd=project.directory, capture_output=True, text=True, check=False)

    assert done.stderr == "went on\n"
