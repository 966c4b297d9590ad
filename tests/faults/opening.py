"""A database that many open at once, and one that is killed while it is migrated: R6."""

from __future__ import annotations

import contextlib
import random
import shutil
import sqlite3
import time

from brabeion_cli.database import migrations
from brabeion_cli.database.integrity import schema_problems
from brabeion_cli.database.migrations import SCHEMA_VERSION
from brabeion_cli.store.store import open_store
from tests.faults.killing import FIRE
from tests.faults.scenario import Figures, killed, no_orphans, require_sound
from tests.support.older_databases import older_database
from tests.support.project import Project

EVENTS, FEW = 40_000, 10_000  # in a database to migrate, so that it takes a moment; FEW for the quick suite


def first_fires(project: Project, rng: random.Random, times: int) -> Figures:
    """16 processes fire into a database that is not there, `times` times."""
    figures = Figures({"rounds": times, "errors": 0})
    for number in range(times):
        project.db = project.directory / f"{number}.db"
        processes = [project.start(*FIRE, "--db", project.db, "--id", n) for n in range(16)]
        said = [process.communicate() for process in processes]
        figures.counts["errors"] += sum(process.returncode != 0 for process in processes)
        figures.require("statuses", [process.returncode for process in processes], [0] * 16)
        figures.require("those that created it", sum(b"created" in err for _, err in said), 1)
        figures.require("those that earned the badge", sum(b'"level": 2' in out for out, _ in _won(said)), 1)
        figures.require("events", project.sql("SELECT count(*), count(DISTINCT id) FROM events"), [(16, 16)])
        require_sound(project, figures)
    return figures


def migrators(project: Project, rng: random.Random, times: int) -> Figures:
    """8 processes migrate an older database, `times` times: one does, the others find it done."""
    figures = Figures({"rounds": times, "errors": 0})
    old = older_database(project.directory / "old.db", EVENTS if times > 1 else FEW)
    for number in range(times):
        project.db = shutil.copyfile(old, project.directory / f"{number}.db")
        processes = [project.start("db", "migrate", "--db", project.db) for _ in range(8)]
        said = [process.communicate()[0] for process in processes]
        figures.counts["errors"] += sum(process.returncode != 0 for process in processes)
        figures.require("statuses", [process.returncode for process in processes], [0] * 8)
        figures.require("those that migrated it", sum(b"migrated" in out for out in said), 1)
        require_sound(project, figures)
        project.db.unlink()
    return figures


def killed_migrations(project: Project, rng: random.Random, times: int) -> Figures:
    """`db migrate` killed at a random moment: the schema is the old one or the new one, and all events are there."""
    figures = Figures({"kills": 0, "old": 0, "new": 0})
    events = EVENTS if times > 3 else FEW
    old = older_database(project.directory / "old.db", events)
    begun, ended = (
        _seconds(project, "--version"),
        _seconds(project, "db", "migrate", "--db", shutil.copyfile(old, project.db)),
    )
    with no_orphans(figures) as environment:
        for number in range(times):
            project.db = shutil.copyfile(old, project.directory / f"{number}.db")
            process = project.start("db", "migrate", "--db", project.db, env=environment)
            time.sleep(rng.uniform(begun, ended))
            killed(process, rng)
            process.communicate()
            figures.counts["kills"] += process.returncode != 0
            figures.counts[_version(project, figures, events)] += 1
            with open_store(str(project.db)):  # whoever opens it next ends what was begun
                require_sound(project, figures)
            for path in project.directory.glob(f"{number}.db*"):
                path.unlink()
    return figures


def _seconds(project: Project, *arguments: object) -> float:
    """How long the command takes, its start with it."""
    started = time.monotonic()
    process = project.start(*arguments)
    process.communicate()
    assert process.returncode == 0
    return time.monotonic() - started


def _version(project: Project, figures: Figures, events: int) -> str:
    """`old` or `new`, and a note of what is neither."""
    version = project.sql("PRAGMA user_version")[0][0]
    figures.require("events", project.sql("SELECT count(*) FROM events"), [(events,)])
    if version == 1:
        with contextlib.closing(sqlite3.connect(":memory:")) as fresh:
            for statement in migrations.statements(until=1):
                fresh.execute(statement)
            schema = fresh.execute("SELECT sql FROM sqlite_master ORDER BY name").fetchall()
        figures.require("schema", project.sql("SELECT sql FROM sqlite_master ORDER BY name"), schema)
        return "old"
    figures.require("version", version, SCHEMA_VERSION)
    with open_store(str(project.db)) as store:
        figures.broken += schema_problems(store.database)
    return "new"


def _won(said: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    return [(out, err) for out, err in said if b'"badge": "points", "outcome": "awarded"' in b" ".join(out.split())]
