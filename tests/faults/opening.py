"""A database that many open at once, and one that is killed while it is migrated: R6."""

from __future__ import annotations

import contextlib
import random
import shutil
import sqlite3
import time
from pathlib import Path

from brabeion_cli.database.integrity import schema_problems
from brabeion_cli.database.migrations import SCHEMA_VERSION, statements
from brabeion_cli.database.schema import APPLICATION_ID
from brabeion_cli.store.store import open_store
from tests.conftest import Project
from tests.faults.killing import FIRE
from tests.faults.scenario import Figures, killed, no_orphans, require_sound

EVENTS = 40_000  # in a database to migrate: so many that it takes a moment


def first_fires(site: Project, rng: random.Random, times: int) -> Figures:
    """16 processes fire into a database that is not there, `times` times."""
    figures = Figures({"rounds": times, "errors": 0})
    for number in range(times):
        site.db = site.directory / f"{number}.db"
        processes = [site.start(*FIRE, "--db", site.db, "--id", n) for n in range(16)]
        said = [process.communicate() for process in processes]
        figures.counts["errors"] += sum(process.returncode != 0 for process in processes)
        figures.require("statuses", [process.returncode for process in processes], [0] * 16)
        figures.require("those that created it", sum(b"created" in err for _, err in said), 1)
        figures.require("those that earned the badge", sum(b'"level": 2' in out for out, _ in _won(said)), 1)
        figures.require("events", site.sql("SELECT count(*), count(DISTINCT id) FROM events"), [(16, 16)])
        require_sound(site, figures)
    return figures


def migrators(site: Project, rng: random.Random, times: int) -> Figures:
    """8 processes migrate an older database, `times` times: one does, the others find it done."""
    figures = Figures({"rounds": times, "errors": 0})
    old = older_database(site.directory / "old.db")
    for number in range(times):
        site.db = shutil.copyfile(old, site.directory / f"{number}.db")
        processes = [site.start("db", "migrate", "--db", site.db) for _ in range(8)]
        said = [process.communicate()[0] for process in processes]
        figures.counts["errors"] += sum(process.returncode != 0 for process in processes)
        figures.require("statuses", [process.returncode for process in processes], [0] * 8)
        figures.require("those that migrated it", sum(b"migrated" in out for out in said), 1)
        require_sound(site, figures)
        site.db.unlink()
    return figures


def killed_migrations(site: Project, rng: random.Random, times: int) -> Figures:
    """`db migrate` killed at a random moment: the schema is the old one or the new one, and all events are there."""
    figures = Figures({"kills": 0, "old": 0, "new": 0})
    old = older_database(site.directory / "old.db")
    begun, ended = _seconds(site, "--version"), _seconds(site, "db", "migrate", "--db", shutil.copyfile(old, site.db))
    with no_orphans(figures) as environment:
        for number in range(times):
            site.db = shutil.copyfile(old, site.directory / f"{number}.db")
            process = site.start("db", "migrate", "--db", site.db, env=environment)
            time.sleep(rng.uniform(begun, ended))
            killed(process, rng)
            process.communicate()
            figures.counts["kills"] += process.returncode != 0
            figures.counts[_version(site, figures)] += 1
            with open_store(str(site.db)):  # whoever opens it next ends what was begun
                require_sound(site, figures)
            for path in site.directory.glob(f"{number}.db*"):
                path.unlink()
    return figures


def _seconds(site: Project, *arguments: object) -> float:
    started = time.monotonic()
    site.ok(*arguments)
    return time.monotonic() - started


def older_database(path: Path, events: int = EVENTS) -> Path:
    """A database of schema version 1."""
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements(until=1):
            connection.execute(statement)
        connection.executemany(
            "INSERT INTO events (name, \"user\", at, id, state) VALUES ('points_awarded', ?, ?, ?, '{}')",
            ((f"user{n % 97}", f"2026-01-01T00:{n // 60 % 60:02}:{n % 60:02}.000000Z", n) for n in range(events)),
        )
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("PRAGMA user_version = 1")
    return path


def _version(site: Project, figures: Figures) -> str:
    """`old` or `new`, and a note of what is neither."""
    version = site.sql("PRAGMA user_version")[0][0]
    figures.require("events", site.sql("SELECT count(*) FROM events"), [(EVENTS,)])
    if version == 1:
        with contextlib.closing(sqlite3.connect(":memory:")) as fresh:
            for statement in statements(until=1):
                fresh.execute(statement)
            schema = fresh.execute("SELECT sql FROM sqlite_master ORDER BY name").fetchall()
        figures.require("schema", site.sql("SELECT sql FROM sqlite_master ORDER BY name"), schema)
        return "old"
    figures.require("version", version, SCHEMA_VERSION)
    with open_store(str(site.db)) as store:
        figures.broken += schema_problems(store.database)
    return "new"


def _won(said: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    return [(out, err) for out, err in said if b'"badge": "points", "outcome": "awarded"' in b" ".join(out.split())]
