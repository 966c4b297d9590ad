"""Every command against every file that it cannot use: the documented status, one line, and nothing is touched."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from brabeion_cli.domain.grants import Grant
from brabeion_cli.store.store import open_store
from tests.support.badge_texts import POINTS
from tests.support.lengths import lengths
from tests.support.project import Project, Result

COMMANDS = [
    "fire points_awarded --user bob",
    "ingest events.ndjson",
    "process-queue",
    "queue list",
    "queue retry --all",
    "queue drop --all",
    "list",
    "badges",
    "leaderboard",
    "progress --user alice",
    "explain --user alice --badge points",
    "replay",
    "award --user bob --badge points --level 1 --reason quiz",
    "revoke --user alice --badge points --reason quiz",
    "check",
    "db migrate",
    "db backup copy.db",
    "db verify",
]
CREATING = ("fire", "ingest")
WRITING = ("fire", "ingest", "process-queue", "award", "revoke")
FEW = ("fire", "process-queue", "list", "db verify")

#: Runs commands one after the other, each in a fork of a process that has loaded everything, which is ten times as
#: quick as starting Python for each. Where it is root's, permissions bind it all the same.
BATCH = """
import ctypes, importlib, json, os, struct, sys, tempfile
from brabeion_cli.cli.app import COMMANDS, main
for module in set(COMMANDS.values()):
    importlib.import_module(f"brabeion_cli.cli.commands.{module}")
if os.geteuid() == 0 and sys.platform == "linux":
    assert ctypes.CDLL(None).capset(struct.pack("Ii", 0x20080522, 0), bytes(24)) == 0
results = []
for directory, command in json.loads(sys.argv[1]):
    os.chdir(directory)
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = os.fork()
        if not child:
            os.dup2(out.fileno(), 1)
            os.dup2(err.fileno(), 2)
            try:
                main(["--db", "store/x.db", *command.split()])
            except SystemExit as end:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(end.code)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        out.seek(0)
        err.seek(0)
        results.append((status, out.read().decode(), err.read().decode()))
print(json.dumps(results))
"""


def run_each(runs: Iterable[tuple[Path, str]]) -> list[Result]:
    """What commands did, each in a directory."""
    named = json.dumps([(str(directory), command) for directory, command in runs])
    done = subprocess.run(
        [sys.executable, "-c", BATCH, named],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [Result(*result) for result in json.loads(done.stdout)]


def make_project_with_store(directory: Path) -> Path:
    """The database of a project with a badge, an event to ingest, and a store in a folder of its own."""
    directory.mkdir(exist_ok=True)
    project = Project(directory)
    project.badge(POINTS)
    project.write("events.ndjson", '{"event": "points_awarded", "user": "bob"}\n')
    db = project.write("store/x.db", "")
    with open_store(str(db), create=True) as store, store.transaction():
        store.awards.add(Grant("alice", "points", 1), "2026-11-22T18:19:00.000000Z", None, "root", "quiz")
    return db


def snapshot(directory: Path) -> dict[str, Any]:
    """All that lies in a directory: of files the bytes, of the rest the kind."""
    return {
        str(path): path.read_bytes() if path.is_file() and path.stat().st_mode & 0o400 else path.lstat().st_mode
        for path in sorted(directory.rglob("*"))
        if "__pycache__" not in path.parts
    }


def remade(make: Callable[[Path], object]) -> Callable[[Path], object]:
    """The file goes, and another thing takes its place."""

    def prepare(db: Path) -> None:
        db.unlink()
        make(db)

    return prepare


def cut(length: int) -> Callable[[Path], object]:
    return lambda db: os.truncate(db, length if length < 4096 else db.stat().st_size // 8192 * 4096)


def with_sql(statement: str) -> Callable[[Path], object]:
    def prepare(db: Path) -> None:
        connection = sqlite3.connect(db)
        connection.execute(statement)
        connection.commit()
        connection.close()

    return prepare


UNUSABLE: dict[str, tuple[Callable[[Path], object], int, str]] = {
    "missing": (os.unlink, 78, "no database at"),
    "missing folder": (lambda db: (db.unlink(), db.parent.rmdir()), 78, "no database at"),
    "empty": (cut(0), 78, "is an empty database"),
    "cut in the header": (cut(60), 78, "is not a SQLite database"),
    "cut in the middle": (cut(4096), 75, "is damaged"),
    "zeros": (lambda db: db.write_bytes(bytes(db.stat().st_size)), 78, "is not a SQLite database"),
    "text": (lambda db: db.write_text("points = 8000\n" * 99), 78, "is not a SQLite database"),
    "directory": (remade(os.mkdir), 78, "is not a file"),
    "in a file": (remade(lambda db: (db.parent.rmdir(), db.parent.write_text(""))), 78, "is not a file"),
    "pipe": (remade(os.mkfifo), 78, "is not a file"),
    "device": (remade(lambda db: db.symlink_to("/dev/zero")), 78, "is not a file"),
    "loop": (remade(lambda db: db.symlink_to(db)), 75, "out of reach"),
    "unreadable": (lambda db: db.chmod(0o200), 75, "out of reach: Permission denied"),
    "read-only folder": (lambda db: db.parent.chmod(0o500), 75, "out of reach"),
    "another application's": (with_sql("PRAGMA application_id = 99"), 78, "another application's"),
    "not ours yet": (remade(with_sql("CREATE TABLE t (x)")), 78, "another application's"),
    "newer": (with_sql("PRAGMA user_version = 99"), 78, "schema version 99"),
    "of no version": (with_sql("PRAGMA user_version = 0"), 75, "is damaged"),
}


@pytest.mark.parametrize("commands", lengths(FEW, tuple(COMMANDS)))
def test_commands_refuse_what_they_cannot_use(tmp_path: Path, commands: tuple[str, ...]) -> None:
    for kind, (prepare, _, _) in UNUSABLE.items():
        prepare(make_project_with_store(tmp_path / kind))
    before = snapshot(tmp_path)
    runs = [
        (kind, command)
        for kind in UNUSABLE
        for command in COMMANDS
        if command.startswith(tuple(commands) if kind != "cut in the middle" else "")
        and not (command.startswith(CREATING) and kind in ("missing", "empty"))
    ]

    results = run_each((tmp_path / kind, command) for kind, command in runs)

    wrong = []
    for (kind, command), result in zip(runs, results, strict=True):
        _, status, message = UNUSABLE[kind]
        lines = result.err.splitlines()
        told = len(lines) == 1 and lines[0].startswith("Error: ") and message in lines[0] and "x.db" in lines[0]
        quiet = result.out == "" or command in ("check", "ingest events.ndjson")  # which say what there is to say
        if not (result.status == status and told and quiet):
            wrong.append((kind, command, result))
    assert wrong == []
    assert snapshot(tmp_path) == before


def test_those_that_record_make_a_store_of_nothing(tmp_path: Path) -> None:
    runs = [(kind, command) for kind in ("missing", "empty") for command in COMMANDS if command.startswith(CREATING)]
    for kind, command in runs:
        UNUSABLE[kind][0](make_project_with_store(tmp_path / (kind + command[:4])))

    results = run_each((tmp_path / (kind + command[:4]), command) for kind, command in runs)

    assert [(result.status, "created" in result.err) for result in results] == [(1, True)] * 4  # bob has no points


def test_a_store_that_may_only_be_read_is_read(tmp_path: Path) -> None:
    db = make_project_with_store(tmp_path)
    db.chmod(0o400)
    before = db.read_bytes()

    results = run_each((tmp_path, command) for command in COMMANDS)

    for command, result in zip(COMMANDS, results, strict=True):
        status, message = (75, "out of reach") if command.startswith(WRITING) else (0, "")
        assert result.status == status, (command, result)
        assert message in result.err
    assert db.read_bytes() == before
    assert (tmp_path / "copy.db").stat().st_mode & 0o777 == 0o400
