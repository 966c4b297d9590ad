"""`db verify` knows what holds in the rows of a sound store."""

from __future__ import annotations

import itertools
from datetime import timedelta

import pytest

from brabeion_cli.database import integrity, row_checks
from brabeion_cli.domain.events import make
from brabeion_cli.domain.grants import Grant
from brabeion_cli.domain.timeline import JournalEntry
from brabeion_cli.domain.timestamps import moment
from brabeion_cli.store import task_queue
from brabeion_cli.store.store import Store
from tests.support.moments import NOW


@pytest.fixture
def filled(store: Store) -> Store:
    """Events in order and late, awards of each kind, tasks that wait, run and are dead."""
    with store.transaction():
        for number, day in enumerate((1, 2, 3, 2, 5, 4, 6), 1):
            event = make(
                "it_happened", {"points": 1.5, "at": "über"}, user="alice", id=str(number),
                at=NOW + timedelta(days=day), now=NOW, max_bytes=1000,
            )  # fmt: skip
            assert store.events.add(event) == number
            store.awards.add(Grant("alice", "each", 1, "", number), event.at, number)
            entry = JournalEntry(number, event.name, event.user, event.at, event.id, event.state_json)
            task_queue.defer(store, "slow", entry, '{"points":1}', NOW)
        store.awards.add(Grant("bob", "points", 1, "post-1"), moment(NOW), None, "root", "won the quiz")
        store.awards.add(Grant("bob", "each", 1, "", -1), moment(NOW), None, "root", "won it, too")
        store.database.execute_sql("UPDATE tasks SET due_at = NULL WHERE number = 7")
    task_queue.claim(store, 2, 60, 5, NOW)
    return store


def test_a_sound_store_has_no_problems(filled: Store) -> None:
    assert list(integrity.problems(filled.database)) == []


DAMAGE = [
    ("UPDATE events SET name = CAST(x'ff' AS TEXT)", "events whose name is not text of 1 to 255 characters"),
    ("UPDATE events SET name = 'a' || char(0)", "events whose name is not text of 1 to 255 characters"),
    ("UPDATE events SET \"user\" = ''", "events whose user is not text of 1 to 255 characters"),
    ("UPDATE events SET id = x'41' WHERE number = 1", "events whose id is not text of 1 to 255 characters or NULL"),
    ("UPDATE events SET state = '{\"a\":1'", "events whose state is not a JSON object"),
    ("UPDATE events SET state = '{\"a\": 1}'", "events whose state is not a JSON object, written without spaces"),
    ("UPDATE events SET state = '[]'", "events whose state is not a JSON object"),
    ("UPDATE events SET state = 7", "events whose state is not a JSON object"),
    ("UPDATE events SET at = replace(at, 'T', ' ')", "events whose at is not UTC text"),
    ("UPDATE events SET tally = 'x'", "events whose tally is not a number from 1"),
    ("UPDATE events SET late = 2 WHERE late = 0", "events whose late is not 0 or 1"),
    ("UPDATE events SET tally = tally + 1 WHERE number = 1", "1 events whose tally contradicts the others"),
    ("UPDATE events SET tally = 2 WHERE number = 3", "1 events whose tally contradicts the others"),
    ("UPDATE events SET late_tally = -1", "events whose late_tally is not a number from 0"),
    ("UPDATE events SET tally = 3, late_tally = 0 WHERE number = 4", "1 events whose tally contradicts the others"),
    ("UPDATE events SET tally = 6, late_tally = 3 WHERE number = 6", "1 events whose tally contradicts the others"),
    ("UPDATE awards SET badge = 'Points'", "awards whose badge is not a badge's slug"),
    (
        "UPDATE awards SET badge = printf('%0101d', 1) WHERE badge = 'points'",
        "awards whose badge is not a badge's slug",
    ),
    ("UPDATE awards SET given_by = '' WHERE given_by = 'root'", "awards whose given_by is not text"),
    ("UPDATE awards SET given_by = 'x' WHERE event_number = 1", "1 awards that both an event and a person gave"),
    ("UPDATE awards SET awarded_at = at FROM events WHERE number = 1", "awards of another time than their event"),
    ("UPDATE awards SET occasion = 3 WHERE occasion = -1", "awards whose occasion is neither"),
    ("UPDATE awards SET occasion = -3 WHERE occasion = 1", "awards whose occasion is neither"),
    ("UPDATE awards SET occasion = 1 WHERE \"key\" <> ''", "awards whose occasion is neither"),
    ("UPDATE awards SET revoked_by = 'x'", "awards that are revoked only in part"),
    ("UPDATE tasks SET attempts = -1", "tasks whose attempts is not a number from 0"),
    ("UPDATE tasks SET token = 'x'", "tasks whose token is not a token or NULL"),
    ("UPDATE tasks SET token = printf('%032d', 1) WHERE due_at IS NULL", "1 tasks that are dead and held"),
    ("UPDATE tasks SET state = '{' WHERE number = 1", "1 tasks whose state is not a JSON object"),
    ("UPDATE tasks SET error = CAST(x'c328' AS TEXT) WHERE number = 1", "1 tasks whose error is not text or NULL"),
    ("UPDATE standings SET awards = awards + 1", "2 users whose standing is not what their events and awards say"),
    ("UPDATE standings SET badges = 9 WHERE \"user\" = 'bob'", "1 users whose standing is not what"),
    ("UPDATE standings SET last_awarded_at = ''", "2 users whose standing is not what"),
    ("DELETE FROM standings WHERE \"user\" = 'bob'", "1 users whose standing is not what"),
    ("INSERT INTO standings VALUES ('eve', 0, 0, '')", "1 users whose standing is not what"),
    ("UPDATE holders SET users = users + 1", "3 badges whose holders are not as many as their awards say"),
    ("DELETE FROM holders WHERE badge = 'each'", "1 badges whose holders are not as many"),
    (
        "INSERT INTO late_counts VALUES ('alice', 'it_happened', 7, '2026-11', 3)",
        "1 users whose late events are not as many",
    ),
    ("UPDATE sqlite_sequence SET seq = 3", "4 tasks whose number may be given again"),
    ("DELETE FROM events WHERE number = 1", "1 tasks without their event"),
    (
        "CREATE TABLE t (x); DROP INDEX event_late; CREATE INDEX event_late ON t (x)",
        "event_late differs from the schema",
    ),
]


@pytest.mark.parametrize(("statements", "message"), DAMAGE, ids=itertools.count())
def test_rows_that_no_sound_store_has_are_found(filled: Store, statements: str, message: str) -> None:
    connection = filled.database.raw()
    connection.execute("PRAGMA foreign_keys = 0")
    connection.executescript(statements)

    assert message in "\n".join(integrity.problems(filled.database))


def test_every_column_and_every_rule_is_tried(filled: Store) -> None:
    for table, columns in row_checks.COLUMNS.items():
        rows = filled.database.execute_sql(f"SELECT name FROM pragma_table_info('{table}')").fetchall()
        assert [name for (name,) in rows] == list(columns)
    messages = [message.partition("neither")[0] for _, message in DAMAGE]
    by_command = ("awards without their event, or without giver and reason",)
    for rule in row_checks.RULES:
        assert rule in by_command or any(message.lstrip("0123456789 ") in rule for message in messages), rule


def test_tallies_may_have_been_counted_before_rows_went(filled: Store) -> None:
    connection = filled.database.raw()
    connection.execute("PRAGMA foreign_keys = 0")
    for gone in ("number = 2", "number < 4", "number = 5"):
        connection.execute(f"DELETE FROM events WHERE {gone}")
        connection.commit()
        assert row_checks._wrong_tallies(connection) == 0
    connection.execute("UPDATE events SET tally = 8 WHERE number = 7")
    assert row_checks._wrong_tallies(connection) == 1


def test_tallies_of_a_migration_count_what_was_recorded_later(filled: Store) -> None:
    connection = filled.database.raw()
    connection.execute(
        "UPDATE events SET late = 0, tally = rank, late_tally = 0 FROM "
        "(SELECT number AS n, row_number() OVER (ORDER BY at, number) AS rank FROM events) WHERE n = number"
    )

    assert list(integrity.problems(filled.database)) == []
