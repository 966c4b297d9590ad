"""The store: what it opens and what it refuses, its settings, its migrations, its transactions."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import peewee
import pytest

from brabeion_cli.database import connection, integrity, migrations
from brabeion_cli.database.migrations import SCHEMA_VERSION
from brabeion_cli.database.models import MODELS
from brabeion_cli.database.schema import APPLICATION_ID
from brabeion_cli.domain.events import Event
from brabeion_cli.domain.grants import Grant
from brabeion_cli.domain.timeline import LAST_NUMBER, AsOf
from brabeion_cli.errors import (
    ForeignDatabaseError,
    NoDatabaseError,
    SchemaVersionError,
    StoreBusyError,
    StoreError,
    StoreFullError,
)
from brabeion_cli.store.event_log import EventLog
from brabeion_cli.store.store import Store, open_store
from tests.support.project import Project

ROOT = os.geteuid() == 0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.db"


def made(path: Path) -> Path:
    open_store(str(path), create=True).close()
    return path


def pragma(path: Path, name: str) -> Any:
    connection = sqlite3.connect(path)
    try:
        return connection.execute(f"PRAGMA {name}").fetchone()[0]
    finally:
        connection.close()


def test_a_new_database_is_marked_and_set_up(path: Path) -> None:
    with open_store(str(path), create=True) as opened:
        assert opened.created
        assert opened.database.pragma("synchronous") == 2
        assert opened.database.pragma("foreign_keys") == 1

    assert pragma(path, "application_id") == APPLICATION_ID
    assert pragma(path, "user_version") == SCHEMA_VERSION
    assert pragma(path, "journal_mode") == "wal"
    with open_store(str(path)) as again:
        assert not again.created
        assert again.migrated_from is None


@pytest.mark.parametrize("name", ["a b.db", "100%.db", "what?.db", "#1.db", "é&=+.db", "%41.db"])
def test_any_name_of_a_file_will_do(tmp_path: Path, name: str) -> None:
    assert [path.name for path in made(tmp_path / name).parent.iterdir()] == [name]
    open_store(str(tmp_path / name)).close()


def test_a_name_without_a_folder_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    open_store("bare.db", create=True).close()
    assert pragma(tmp_path / "bare.db", "application_id") == APPLICATION_ID


def test_opening_does_not_create(path: Path) -> None:
    with pytest.raises(NoDatabaseError, match=r"no database at .*--db names another"):
        open_store(str(path))
    assert not path.exists()


def test_a_missing_folder_is_named(path: Path) -> None:
    with pytest.raises(NoDatabaseError, match=r"the directory .* does not exist"):
        open_store(str(path / "y.db"), create=True)


@pytest.mark.parametrize("content", [b"", None])
def test_an_empty_database_is_set_up_by_who_may_create(path: Path, content: bytes | None) -> None:
    if content is None:
        connection = sqlite3.connect(path)
        connection.execute("VACUUM")
        connection.close()
    else:
        path.write_bytes(content)

    with pytest.raises(NoDatabaseError, match="is an empty database"):
        open_store(str(path))
    with open_store(str(path), create=True) as opened:
        assert opened.created


@pytest.mark.parametrize("content", [b"just text\n", b"SQLite format 3\0", b"\0" * 4096])
@pytest.mark.parametrize("create", [False, True])
def test_a_file_that_is_no_database_is_refused_untouched(path: Path, content: bytes, create: bool) -> None:
    path.write_bytes(content)

    with pytest.raises(ForeignDatabaseError, match="is not a SQLite database; nothing was written"):
        open_store(str(path), create=create)
    assert path.read_bytes() == content


@pytest.mark.parametrize("statement", ["CREATE TABLE t (x)", "PRAGMA application_id = 7", "PRAGMA user_version = 3"])
@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_another_applications_database_is_refused_untouched(path: Path, statement: str, mode: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA journal_mode = {mode}")
    connection.execute(statement)
    connection.close()
    before = path.read_bytes()

    with pytest.raises(ForeignDatabaseError, match="is another application's database; nothing was written"):
        open_store(str(path), create=True)
    assert path.read_bytes() == before


def test_another_applications_open_database_is_refused(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = wal")
    connection.execute("CREATE TABLE t (x)")  # in the write-ahead log only

    with pytest.raises(ForeignDatabaseError):
        open_store(str(path), create=True)
    connection.close()


def test_a_newer_schema_is_refused_untouched(path: Path) -> None:
    connection = sqlite3.connect(made(path))
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    connection.close()
    before = path.read_bytes()

    with pytest.raises(SchemaVersionError, match=f"has schema version {SCHEMA_VERSION + 1}.*knows version"):
        open_store(str(path))
    assert path.read_bytes() == before


#: Of each version that was released. A hash never changes: what a store went through must stay what it was.
RELEASED = {
    "0001_events_awards_tasks.sql": "60426465577188161ad7621680d3ac7e053c6fc2e87a4be138c6aaad09193f16",
    "0002_history.sql": "699161a23c639bd9070d2e15c989af176af38d46457dd9cf29d21d1b991643f8",
    "0003_prunes.sql": "894a651c6d29fd879343568ba60e611598bd2cdc6cbfa1e88baff7878c29cc69",
    "0004_held_tasks.sql": "f544a9821f93fe20e19e19bbcc8d1f283c53acd28d5753390dfc70c2112d99ff",
    "0005_totals.sql": "8bcd80e162c1aa5a851a708230632c8b3bdd1d615b40ec6e0d283f90d256033a",
    "0006_late_counts.sql": "65c041d95483a637133d10e548a7024449fb1ccaa6529b2c317571c7a9036ac5",
}


def test_released_versions_are_frozen() -> None:
    found = {os.path.basename(path): hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in migrations.files()}

    assert {name: found.get(name) for name in RELEASED} == RELEASED
    assert len(found) == SCHEMA_VERSION


def test_a_store_of_the_first_release_is_sound(project: Project) -> None:
    with gzip.open(Path(__file__).parents[1] / "data" / "release-0.1.0.db.gz") as file:  # made by that release
        project.db.write_bytes(file.read())

    assert "is sound" in project.ok("db", "verify").out
    assert [(row["user"], row["level"]) for row in project.ok("list", "--json").json] == [
        ("carol", 1), ("bob", 3), ("alice", 2),
    ]  # fmt: skip


def add_version(monkeypatch: pytest.MonkeyPatch, folder: Path, script: str) -> None:
    """One more version of the schema."""
    versions = Path(shutil.copytree(migrations.FOLDER, folder / "versions"))
    (versions / f"{SCHEMA_VERSION + 1:04}_more.sql").write_text(script)
    monkeypatch.setattr(migrations, "FOLDER", str(versions))
    monkeypatch.setattr(migrations, "SCHEMA_VERSION", SCHEMA_VERSION + 1)


def test_an_older_schema_is_migrated_in_one_transaction(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(path)
    add_version(monkeypatch, path.parent, "ALTER TABLE events ADD COLUMN colour TEXT;")

    with open_store(str(path)) as opened:
        assert (opened.migrated_from, opened.created) == (SCHEMA_VERSION, False)

    assert pragma(path, "user_version") == SCHEMA_VERSION + 1


@contextlib.contextmanager
def of_version(path: Path, version: int) -> Iterator[sqlite3.Connection]:
    """A database of an older schema, to be filled."""
    with contextlib.closing(sqlite3.connect(path)) as old:
        for statement in migrations.statements(until=version):
            old.execute(statement)
        yield old
        old.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        old.execute(f"PRAGMA user_version = {version}")
        old.commit()


def test_version_2_counts_what_was_recorded_before(path: Path) -> None:
    rows = [("ab"[n % 2], "xyz"[n % 3], f"2026-01-{1 + n * 7 % 11:02}T00:00:00.000000Z") for n in range(60)]
    insert_award = 'INSERT INTO awards ("user", badge, level, "key", occasion, awarded_at, event_number) VALUES'
    with of_version(path, 1) as old:
        for row in rows:
            old.execute('INSERT INTO events (name, "user", at, state) VALUES (?, ?, ?, ?)', (*row, "{}"))
        for level in (1, 2):
            old.execute(f"{insert_award} ('x', 'b', {level}, '', 0, '{rows[0][2]}', 1)")
    with open_store(str(path)) as migrated:
        journal = EventLog(migrated.database)
        for last in ("2025-12-31", "2026-01-05T12:00:00.000000Z", "2026-12-31"):
            for name, user in {row[:2] for row in rows}:
                count = journal.count(user, name, AsOf(last, 10**9))
                assert count == sum(row[:2] == (name, user) and row[2] < last for row in rows)
        positions = migrated.database.execute_sql("SELECT level, position FROM awards ORDER BY 1").fetchall()
        with migrated.transaction():
            for at in ("2026-02-01T00:00:00.000000Z", "2026-01-03T12:00:00.000000Z"):
                migrated.events.add(Event("a", "x", at, None, "{}", {}, True))
        before = sum(row[:2] == ("a", "x") for row in rows)
        assert journal.count("x", "a", AsOf("2026-12-31", 10**9)) == before + 2

    assert positions == [(1, 1), (2, 2)]


def test_version_6_tells_late_ones_from_those_in_time(path: Path) -> None:
    moments = [f"2026-01-{1 + n * 7919 % 1009 // 36:02}T{n * 7919 % 24:02}:00:00.000000Z" for n in range(1009)]
    gone = 7  # before all of them: they were pruned
    with of_version(path, 5) as old:
        for number, at in enumerate(moments):
            tally = gone + 1 + sum(other <= at for other in moments[:number])
            late = at < max(moments[:number], default="")
            old.execute("INSERT INTO events VALUES (NULL, 'e', 'x', ?, NULL, '{}', ?, ?)", (at, tally, late))
        old.execute("INSERT INTO prunes VALUES ('e', '2026')")
        old.execute("INSERT INTO standings VALUES ('x', 0, 0, '')")

    with open_store(str(path)) as migrated:
        journal = EventLog(migrated.database)
        for number, at in enumerate(moments, 1):
            for known in (number, LAST_NUMBER):
                before = (other for n, other in enumerate(moments[:known], 1) if (other, n) <= (at, number))
                assert journal.count("x", "e", AsOf(at, number, known=known)) == gone + sum(1 for _ in before)
        assert list(integrity.problems(migrated.database)) == []


def test_version_6_leaves_alone_what_a_prune_counted_in(path: Path) -> None:
    def at(minute: int) -> str:
        return f"2026-01-01T{minute // 60:02}:{minute % 60:02}:00.000000Z"

    # In time at minute 1000, then late from 500 on and at 50 and 100; pruned before 200, where the last one stays.
    rows = [(1000, 3, 0), *((500 + place, 3 + place, 1) for place in range(99)), (100, 2, 0)]
    with of_version(path, 5) as old:
        for minute, tally, late in rows:
            old.execute("INSERT INTO events VALUES (NULL, 'e', 'x', ?, NULL, '{}', ?, ?)", (at(minute), tally, late))
        old.execute("INSERT INTO prunes VALUES ('e', ?)", (at(200),))
        old.execute("INSERT OR IGNORE INTO standings VALUES ('x', 0, 0, '')")

    with open_store(str(path)) as migrated:
        journal = EventLog(migrated.database)
        counts = [journal.count("x", "e", AsOf(at(minute), LAST_NUMBER)) for minute in (300, 450, 500, 598, 800, 1000)]
        assert counts == [2, 2, 3, 101, 101, 102]
        assert list(integrity.problems(migrated.database)) == []


def test_the_migrations_lead_to_the_tables_of_the_models(path: Path) -> None:
    database = peewee.SqliteDatabase(":memory:")
    with database.bind_ctx(MODELS, bind_refs=False, bind_backrefs=False):
        database.create_tables(MODELS)
    query = "SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' AND type <> 'trigger'"
    wanted = dict(database.execute_sql(query).fetchall())
    database.close()

    with open_store(str(path), create=True) as opened:
        found = dict(opened.database.execute_sql(query).fetchall())

    assert {name: _words(sql) for name, sql in found.items()} == {name: _words(sql) for name, sql in wanted.items()}


@pytest.mark.parametrize("model", MODELS)
def test_every_model_can_be_asked_of_a_store(store: Store, model: type[peewee.Model]) -> None:
    count = store.database.execute_sql(f"SELECT count(*) FROM {model._meta.table_name}").fetchone()[0]

    assert len(list(store.ask(model.select()))) == count


def _words(sql: str) -> list[str]:
    return sql.replace("(", " ( ").replace(")", " ) ").replace(",", " , ").split()


def test_a_migration_that_fails_leaves_the_old_schema(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(path)
    add_version(monkeypatch, path.parent, "ALTER TABLE events ADD COLUMN colour TEXT;\nno such statement;")

    with pytest.raises(StoreError):
        open_store(str(path))

    assert pragma(path, "user_version") == SCHEMA_VERSION
    connection = sqlite3.connect(path)
    assert "colour" not in [row[1] for row in connection.execute("PRAGMA table_info(events)")]
    connection.close()


def test_a_directory_is_no_database(tmp_path: Path) -> None:
    with pytest.raises(NoDatabaseError, match="is not a file"):
        open_store(str(tmp_path), create=True)


@pytest.mark.skipif(ROOT, reason="root reads everything")
def test_an_unreadable_file_is_out_of_reach(path: Path) -> None:
    made(path).chmod(0)

    with pytest.raises(StoreError, match="out of reach: Permission denied"):
        open_store(str(path))


def test_awards_are_unique_and_null_errors_are_not_swallowed(path: Path) -> None:
    with open_store(str(path), create=True) as opened, opened.transaction():
        grant = Grant("alice", "points", 1)
        added = [opened.awards.add(grant, "now", None, "bob", "quiz") for _ in range(2)]

        assert added == [True, False]
        with pytest.raises(sqlite3.IntegrityError):
            opened.awards.add(Grant("carol", "points", 1), "now", None)  # neither event nor giver
        with pytest.raises(sqlite3.IntegrityError):
            opened.awards.add(Grant("carol", "points", 1), None, None, "bob", "quiz")  # type: ignore[arg-type]


def test_a_transaction_is_all_or_nothing(path: Path) -> None:
    with open_store(str(path), create=True) as opened:
        with pytest.raises(sqlite3.IntegrityError), opened.transaction():
            assert opened.awards.add(Grant("alice", "points", 1), "now", None, "bob", "quiz")
            opened.awards.add(Grant("alice", "points", 2), "now", None)

        assert opened.database.execute_sql("SELECT count(*) FROM awards").fetchone() == (0,)


def test_a_writer_waits_and_then_says_that_it_is_busy(path: Path) -> None:
    other = sqlite3.connect(made(path), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(StoreBusyError, match=r"is busy.*Try again"), open_store(str(path), patience=0.05) as opened:  # noqa: SIM117
        with opened.transaction():
            pass
    other.close()


def test_who_opens_a_database_that_is_locked_altogether_waits(path: Path) -> None:
    # So it is for a moment whenever the last one to close it writes its log back.
    made(path)
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("PRAGMA journal_mode = DELETE")
    other.execute("BEGIN EXCLUSIVE")
    release = threading.Timer(0.2, other.rollback)
    release.start()

    with open_store(str(path)) as opened:
        assert opened.awards.get(Grant("u", "b", 1)) is None

    release.join()
    other.close()


def test_transactions_take_the_write_lock_at_once(path: Path) -> None:
    with open_store(str(path), create=True) as opened, opened.transaction():
        other = sqlite3.connect(path, timeout=0, isolation_level=None)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        other.close()


FILL = """
import resource, sys
from brabeion_cli.errors import StoreFullError
from brabeion_cli.domain.grants import Grant
from brabeion_cli.store.store import open_store

with open_store(sys.argv[1]) as store:
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
    for number in range(100_000):
        with store.transaction():
            store.awards.add(Grant("u" * 200 + str(number), "b", 1), "now", None, "by", "why")
"""


def test_a_full_disk_says_so(path: Path) -> None:
    made(path)
    done = subprocess.run([sys.executable, "-c", FILL, str(path)], capture_output=True, text=True, check=False)

    assert "StoreFullError" in done.stderr
    assert "database or disk is full" in done.stderr.splitlines()[-1]
    with open_store(str(path)) as opened, opened.transaction():
        assert opened.awards.add(Grant("after", "b", 1), "now", None, "by", "why")


def test_sqlite_saying_full_is_a_full_store() -> None:
    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorcode = sqlite3.SQLITE_FULL  # type: ignore[misc]

    assert isinstance(connection.store_error(peewee.OperationalError(error), "x.db"), StoreFullError)
