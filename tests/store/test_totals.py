"""The totals that SQLite keeps: right whatever is written and by whom, and all that `badges` and `leaderboard` read."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from brabeion_cli.database import migrations, row_checks
from brabeion_cli.database.schema import APPLICATION_ID
from brabeion_cli.domain.catalogue import Catalogue
from brabeion_cli.domain.events import Event
from brabeion_cli.domain.grants import Grant
from brabeion_cli.project.registry import Registry
from brabeion_cli.store import reports
from brabeion_cli.store.reports import Filter
from brabeion_cli.store.store import Store, open_store
from tests.support.badge_texts import POINTS
from tests.support.costs import steps
from tests.support.lengths import holds_for
from tests.support.project import Project

MOMENT = "2026-11-0{}T00:00:00.000000Z"
RULES = [query for rule, query in row_checks.RULES.items() if row_checks.RECOUNT in rule]

THAT = '"user" = :user AND badge = :badge AND level = :level AND "key" = :key'
INSERT = (
    'INSERT {} INTO awards ("user", badge, level, "key", occasion, awarded_at, given_by, reason, revoked_at) '
    "VALUES (:user, :badge, :level, :key, 0, :at, 'root', 'quiz', {}) {}"
)
REVIVE = "ON CONFLICT DO UPDATE SET awarded_at = excluded.awarded_at, revoked_at = NULL WHERE revoked_at IS NOT NULL"
EVENT = (
    "INSERT INTO events (name, \"user\", at, state, tally) SELECT :badge, :user, :at, '{}', 1 + count(*) FROM events"
)
#: What people and brabeion may write.
WRITES = (
    f'{EVENT} WHERE name = :badge AND "user" = :user',
    INSERT.format("", "NULL", "ON CONFLICT DO NOTHING"),
    INSERT.format("", "NULL", REVIVE),
    INSERT.format("OR IGNORE", "NULL", ""),
    INSERT.format("OR IGNORE", ":at", ""),
    f"UPDATE awards SET revoked_at = :at WHERE {THAT}",
    f"UPDATE awards SET revoked_at = NULL WHERE {THAT}",
    f"UPDATE awards SET awarded_at = :at WHERE {THAT}",
    'UPDATE awards SET revoked_at = :at WHERE "user" = :user',
    'UPDATE OR IGNORE awards SET badge = :badge WHERE "user" = :user AND level = :level',
    'UPDATE OR IGNORE awards SET level = :level WHERE badge = :badge AND "key" = :key',
    'UPDATE OR IGNORE awards SET "user" = :other WHERE "user" = :user',
    'UPDATE events SET "user" = :other WHERE "user" = :user',
    "UPDATE awards SET occasion = occasion - 1, reason = 'another'",
    f"DELETE FROM awards WHERE {THAT}",
    'DELETE FROM awards WHERE "user" = :user',
    'DELETE FROM events WHERE "user" = :user',
    "DELETE FROM events WHERE at < :at",
)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(WRITES),
        st.fixed_dictionaries(
            {
                "user": st.sampled_from(["alice", "bob", "carol"]),
                "other": st.sampled_from(["alice", "bob", "dave"]),
                "badge": st.sampled_from(["one", "two"]),
                "level": st.integers(1, 2),
                "key": st.sampled_from(["", "a"]),
                "at": st.integers(1, 4).map(MOMENT.format),
            }
        ),
    ),
    max_size=30,
)


def database() -> sqlite3.Connection:
    """The tables, in memory."""
    made = sqlite3.connect(":memory:", isolation_level=None)
    for statement in migrations.statements():
        made.execute(statement)
    return made


@holds_for(STEPS, quick=50, long=150)
def test_whatever_is_written_the_totals_are_those_of_a_recount(steps: list[tuple[str, dict[str, Any]]]) -> None:
    with closing(database()) as made:
        for statement, values in steps:
            made.execute(statement, values)
            for query in RULES:
                assert made.execute(query).fetchone() == (0,), statement


def test_totals_of_what_was_there_before_are_counted_by_the_migration(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path)) as old:
        for statement in migrations.statements(until=4):
            old.execute(statement)
        for user, badge, key, revoked in (
            ("alice", "one", "a", None), ("alice", "one", "b", None), ("alice", "two", "", None),
            ("bob", "one", "", None), ("bob", "two", "", "now"), ("carol", "one", "", "now"),
        ):  # fmt: skip
            values = {"user": user, "badge": badge, "level": 1, "key": key, "at": MOMENT.format(3)}
            old.execute(INSERT.format("", f"'{revoked}'" if revoked else "NULL", ""), values)
        for user in ("alice", "dave"):
            old.execute(f"{EVENT} WHERE number = 0", {"user": user, "badge": "e", "at": MOMENT.format(1)})
        old.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        old.execute("PRAGMA user_version = 4")
        old.commit()

    with open_store(str(path)) as store:
        at = MOMENT.format(3)
        standings = [("alice", 3, 2, at), ("bob", 1, 1, at), ("carol", 0, 0, ""), ("dave", 0, 0, "")]
        assert store.database.execute_sql("SELECT * FROM standings").fetchall() == standings
        holders = [("", 0, 4), ("one", 1, 2), ("two", 1, 1)]
        assert store.database.execute_sql("SELECT * FROM holders").fetchall() == holders


def test_totals_that_are_wrong_are_named_and_counted_anew(project: Project) -> None:
    project.badge(POINTS)
    project.fire("points_awarded", {"points": 9000})
    project.sql("UPDATE holders SET users = 7")
    project.sql("INSERT INTO standings VALUES ('nobody', 3, 1, '')")

    verified = project.run("db", "verify")
    assert verified.status == 75
    assert "1 users whose standing is not what their events and awards say; `brabeion db migrate --recount`" in (
        verified.err
    )
    assert "2 badges whose holders are not as many as their awards say" in verified.err
    assert "counted the totals again" in project.ok("db", "migrate", "--recount").out
    project.ok("db", "verify")
    assert project.ok("db", "migrate", "--recount", "--json").json["recounted"] is True
    assert project.ok("leaderboard", "--json").json == [
        {
            "rank": 1, "user": "alice", "awards": 1, "badges": 1,
            "last_awarded_at": project.sql("SELECT awarded_at FROM awards")[0][0],
        }
    ]  # fmt: skip
    assert [row["holders"] for row in project.ok("badges", "--json").json] == [0, 1, 0]


# What it costs

AWARD = 'INSERT INTO awards ("user", badge, level, "key", occasion, awarded_at, given_by, reason) VALUES '
QUESTIONS: dict[str, Callable[[Store, Catalogue], object]] = {
    "badges": reports.holders,
    "leaderboard": lambda store, _: reports.leaders(store, limit=10),
    "list": lambda store, catalogue: list(reports.awards(store, catalogue, Filter(user="user-7"))),
}


def filled(path: Path, users: int) -> Store:
    """A store with ten awards of each user, and an event."""
    store = open_store(str(path), create=True)
    with store.transaction():
        for user in range(users):
            at = f"2026-11-22T00:{user // 60 % 60:02}:{user % 60:02}.000000Z"
            store.events.add(Event("e", f"user-{user}", at, None, "{}", {}, True))
            for number in range(10):
                store.awards.add(Grant(f"user-{user}", "points", number % 3 + 1, str(number)), at, None, "root", "quiz")
    return store


def test_questions_about_many_awards_cost_no_more_than_about_few(tmp_path: Path, registry: Registry) -> None:
    costs = []
    for users in (20, 2000):
        with filled(tmp_path / f"{users}.db", users) as store:
            costs.append(
                {
                    name: steps(store, lambda ask=ask: ask(store, Catalogue.of(registry)))
                    for name, ask in QUESTIONS.items()
                }
            )

    assert costs[0] == costs[1]


CHANGES = (
    "UPDATE awards SET revoked_at = 'then' WHERE occasion < (SELECT max(occasion) - 10 FROM awards)",
    f"{AWARD} ('alice', 'often', 1, '', 9999, '2027', 'root', 'quiz')",
    "UPDATE awards SET revoked_at = NULL WHERE revoked_at IS NOT NULL",
    "UPDATE awards SET \"user\" = 'bob'",
    "DELETE FROM awards",
)


def test_an_award_among_many_of_its_user_costs_no_more_than_among_few(store: Store) -> None:
    costs: list[list[float]] = []
    raw = store.database.raw()
    for number in (100, 1000):
        rows = [(occasion, str(1000 + occasion)) for occasion in range(number)]
        raw.executemany(f"{AWARD} ('alice', 'often', 1, '', ?, ?, 'root', 'quiz')", rows)
        costs.append([])
        for change in CHANGES:
            before = raw.total_changes
            costs[-1].append(steps(store, lambda change=change: raw.execute(change)) / (raw.total_changes - before))

    assert [change for change, few, many in zip(CHANGES, *costs, strict=True) if many > 1.5 * few] == []
