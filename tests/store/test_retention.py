"""`db prune`, `user forget`, `user rename`: what goes, what stays, and nothing by halves."""

from __future__ import annotations

import json
import os
import random
import shutil
import sqlite3
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from brabeion_cli.base import CountBadge
from brabeion_cli.database import late_counts, row_checks
from brabeion_cli.domain import events, timestamps
from brabeion_cli.domain.catalogue import Catalogue
from brabeion_cli.domain.grants import Grant
from brabeion_cli.domain.timeline import LAST_NUMBER, AsOf, JournalEntry
from brabeion_cli.project.registry import Registry
from brabeion_cli.store import retention, task_queue, users
from brabeion_cli.store.event_log import EventLog
from brabeion_cli.store.event_range import EventRange
from brabeion_cli.store.reconciliation import Reconciliation
from brabeion_cli.store.store import Store, open_store
from tests.support.lengths import holds_for, lengths
from tests.support.moments import NOW
from tests.support.processes import wait_until
from tests.support.project import Project

BADGES = """
    from brabeion_cli import badges
    from brabeion_cli.base import Badge, BadgeAwarded, CountBadge, SumBadge

    @badges.register
    class Regular(CountBadge):
        slug = "regular"
        levels = ["Bronze", "Silver"]
        events = ["visited"]
        thresholds = [2, 5]

    @badges.register
    class Points(SumBadge):
        slug = "points"
        levels = ["Ten"]
        events = ["scored"]
        field = "n"
        thresholds = [10]

    @badges.register
    class Collector(CountBadge):
        slug = "collector"
        levels = ["One"]
        events = ["badge_awarded"]
        thresholds = [1]

    @badges.register
    class Thanked(Badge):
        slug = "thanked"
        levels = ["One"]
        events = ["thanked"]
        asks = ["asked_about"]
        multiple = True

        def award(self, **state):
            return BadgeAwarded(user=state["author"])
"""
OLD = ("--before", "2026-02-01")


def line(event: str, user: str, day: str, **state: Any) -> str:
    return json.dumps({"event": event, "user": user, "at": day, "id": f"{event} {user} {day}", "state": state}) + "\n"


@pytest.fixture
def eventful(project: Project) -> Project:
    project.badge(BADGES)
    stream = [
        *(line("visited", "alice", f"2026-01-{day:02}") for day in (1, 2, 3, 4)),
        *(line("scored", "alice", f"2026-01-{day:02}", n=4) for day in (1, 2, 3)),
        *(line("noticed", user, "2026-01-05") for user in ("alice", "bob", "carol")),
        line("asked_about", "bob", "2026-01-05"),
        line("thanked", "alice", "2026-01-06", author="bob"),
        line("thanked", "bob", "2026-01-07", author="alice"),
        line("noticed", "alice", "2026-03-01"),
    ]
    project.ok("ingest", stdin="".join(stream))
    return project


def tables(path: Path) -> dict[str, list[Any]]:
    """Everything in a store."""
    connection = sqlite3.connect(path)
    try:
        return {
            table: sorted(connection.execute(f"SELECT * FROM {table}").fetchall(), key=repr)
            for table in ("events", "awards", "tasks", "prunes")
        }
    finally:
        connection.close()


def ids(project: Project) -> set[str]:
    return {row[0] for row in project.sql("SELECT id FROM events")}


# Pruning


def test_events_that_no_badge_needs_go(eventful: Project) -> None:
    before = ids(eventful)
    foreseen = eventful.ok("db", "prune", *OLD, "--dry-run", "--json").json
    assert ids(eventful) == before

    pruned = eventful.ok("db", "prune", *OLD, "--json").json

    assert foreseen == pruned | {"dry_run": True}
    assert pruned == {
        "before": "2026-02-01T00:00:00.000000Z", "pruned": 3, "left": 10,
        "names": [{"event": "noticed", "events": 3, "users": 3, "needed_by": []}],
    }  # fmt: skip
    assert before - ids(eventful) == {f"noticed {user} 2026-01-05" for user in ("alice", "bob", "carol")}
    assert eventful.sql("SELECT * FROM prunes") == [("noticed", "2026-02-01T00:00:00.000000Z")]
    assert eventful.ok("db", "prune", *OLD, "--json").json["pruned"] == 0
    assert "is sound" in eventful.ok("db", "verify").out


def test_what_badges_need_goes_when_named_and_it_is_said_what_is_lost(eventful: Project) -> None:
    result = eventful.ok("db", "prune", *OLD, "--event", "visited", "--event", "scored", "--event", "asked_about")

    assert result.out.splitlines() == [
        "event    pruned  users  needed by",
        "noticed       3      3",
        "scored        2      1  points",
        "visited       2      1  regular",
        "7 events before 2026-02-01T00:00:00.000000Z pruned, 6 stay",
    ]
    assert (
        "visited is needed by regular: count() still works, but sum, first, events, days and streak, and questions"
        in (result.err)
    )
    assert "the ids of pruned events are forgotten: if you send one again, it is recorded again" in result.err
    # What earned an award, the last of a user, and what is not pruned.
    assert {"visited alice 2026-01-02", "visited alice 2026-01-04", "scored alice 2026-01-03"} < ids(eventful)
    assert "is sound" in eventful.ok("db", "verify").out
    assert "1 recorded" in eventful.ok("ingest", stdin=line("visited", "alice", "2026-01-01")).out


def test_tasks_keep_their_events(eventful: Project) -> None:
    eventful.simple_badge("raise ValueError", events=["other"])
    eventful.run("fire", "other", "--user", "dora", "--at", "2026-01-01")
    (eventful.directory / "badges/one.py").unlink()

    result = eventful.ok("db", "prune", *OLD, "--json")

    assert [name["event"] for name in result.json["names"]] == ["noticed"]
    assert "one has awards but is not registered: events that only it needs are not kept" in result.err
    assert eventful.sql("SELECT count(*) FROM events WHERE name = 'other'") == [(1,)]


def test_counting_goes_on(eventful: Project) -> None:
    eventful.ok("db", "prune", *OLD, "--event", "visited")

    assert "alice earned regular: Silver" in eventful.ok("fire", "visited", "--user", "alice").out


def test_a_replay_calls_nothing_stale_that_rests_on_what_was_pruned(eventful: Project) -> None:
    held = eventful.sql("SELECT * FROM awards")
    eventful.ok("db", "prune", *OLD, "--event", "scored", "--event", "visited")

    for options in ((), ("--prune",), ("--prune", "--since", "2026-01-03"), ("--prune", "--badge", "collector")):
        result = eventful.ok("replay", "--json", *options)
        assert (result.json["stale"], result.json["revoked"], result.json["awarded"]) == (0, 0, 0), options
    assert eventful.sql("SELECT * FROM awards") == held
    assert "badge points needs scored, which was pruned before 2026-02-01T00:00:00.000000Z" in eventful.ok("replay").err
    assert "regular" not in eventful.ok("replay", "--badge", "collector").err
    award = 'return BadgeAwarded(user=state["author"])'
    eventful.badge(BADGES.replace(award, 'return BadgeAwarded(user="bob") if state["author"] == "bob" else None'))
    assert (
        eventful.ok("replay", "--prune", "--json").json["revoked"] == 1
    )  # one that needs none of it is judged as ever


STREAMS = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(0, 40), st.sampled_from(["alice", "bob"]), st.booleans()), max_size=60
)


class Counted(CountBadge):
    slug, levels, events, thresholds = "counted", ["One"], ["a"], [1]


@holds_for(
    st.lists(st.tuples(STREAMS, st.integers(0, 40)), min_size=1, max_size=3), STREAMS,
    st.sampled_from([late_counts.MAX_UNCOUNTED, 0]), quick=15, long=60,
)  # fmt: skip
def test_counts_are_right_after_a_prune_also_with_late_comers(
    tmp_path_factory: pytest.TempPathFactory, rounds: list[Any], more: list[Any], few: int
) -> None:
    registry = Registry()
    registry.register(Counted)
    ever: list[tuple[str, str, str]] = []
    horizon = ""
    folder = tmp_path_factory.mktemp("site")
    with pytest.MonkeyPatch.context() as patch, open_store(str(folder / "store.db"), create=True) as store:
        patch.setattr(late_counts, "MAX_UNCOUNTED", few)
        for stream, days in rounds:
            record(store, stream, ever, horizon)
            before = timestamps.moment(START + timedelta(days=days))
            retention.prune(store, Catalogue.of(registry), before, ["a"], now=NOW)
            horizon = max(horizon, before)
            require_right_counts(store, ever, horizon)
        record(store, more, ever, horizon)
        require_right_counts(store, ever, horizon)
        assert list(row_checks.contradictions(store.database)) == []


START = datetime(2026, 3, 27, tzinfo=timezone.utc)


def record(store: Store, stream: list[Any], ever: list[tuple[str, str, str]], horizon: str) -> None:
    with store.transaction():
        for name, days, user, awarded in stream:
            made = events.make(name, {}, user=user, at=START + timedelta(days=days), now=NOW, max_bytes=1000)
            number = store.events.add(made)
            ever.append((name, user, made.at))
            if awarded:
                store.awards.add(Grant(user, "medal", 1, "", number or 0), made.at, number)
            if name == "a" and made.at >= horizon:
                count = EventLog(store.database).count(user, name, AsOf(made.at, LAST_NUMBER))
                assert count == sum(each[:2] == (name, user) and each[2] <= made.at for each in ever)


def require_right_counts(store: Store, ever: list[tuple[str, str, str]], horizon: str) -> None:
    journal = EventLog(store.database)
    for days in range(42):
        at = timestamps.moment(START + timedelta(days=days, hours=1))
        for user in ("alice", "bob") if at >= horizon else ():
            count = journal.count(user, "a", AsOf(at, LAST_NUMBER))
            assert count == sum(each[:2] == ("a", user) and each[2] <= at for each in ever), (user, at)


# Users


def test_every_trace_of_a_user_goes(eventful: Project) -> None:
    eventful.simple_badge("return None", slug="later", events=["badge_awarded", "thanked"], async_=True)
    eventful.ok("ingest", stdin=line("thanked", "alice", "2026-03-02", author="bob"))
    eventful.ok("ingest", stdin=line("thanked", "bob", "2026-03-03", author="alice"))
    assert eventful.sql("SELECT count(*) FROM tasks") == [(4,)]
    foreseen = eventful.ok("user", "forget", "alice", "--dry-run", "--json").json
    assert eventful.sql("SELECT count(*) FROM events WHERE user = 'alice'") == [(11,)]

    result = eventful.ok("user", "forget", "alice", "--json")

    counts = {"user": "alice", "events": 11, "awards": 5, "tasks": 3, "left_to_others": 3, "mentions": 2}
    assert result.json == counts | {"erased": True}
    assert foreseen == counts | {"dry_run": True}
    assert (
        "2 events that stay name alice in their state, and states are not changed; a replay may award alice"
        in result.err
    )
    assert "3 awards of other users stay, although they were earned by events of alice" in result.err
    assert "backups and ingested files are not changed" in result.err
    rows = tables(eventful.db)
    assert {row[2] for row in rows["events"]} == {"bob", "carol"}
    assert {row[0] for row in rows["awards"]} == {"bob"}
    assert [(row[2], row[9]) for row in rows["tasks"]] == [("later", None)]
    assert eventful.sql(
        "SELECT badge, occasion, event_number, given_by, reason, position FROM awards ORDER BY 1, 2"
    ) == [
        ("collector", 0, None, "forget", "earned by thanked of a user who was forgotten", 0),
        ("thanked", -2, None, "forget", "earned by thanked of a user who was forgotten", 0),
        ("thanked", -1, None, "forget", "earned by thanked of a user who was forgotten", 0),
    ]
    assert "is sound" in eventful.ok("db", "verify").out
    assert (
        "given by forget: earned by thanked of" in eventful.ok("explain", "--user", "bob", "--badge", "collector").out
    )


def test_awards_that_are_left_are_neither_given_again_nor_in_the_way(eventful: Project) -> None:
    eventful.ok("user", "forget", "alice")  # and her numbers are used again
    for user in ("dora", "erin"):
        text = "".join(line("thanked", user, f"2026-04-{day:02}", author="bob") for day in range(1, 16))
        assert "15 recorded, 0 duplicates, 0 rejected; 15 awarded" in eventful.ok("ingest", stdin=text).out
        eventful.ok("user", "forget", user)

    assert eventful.sql("SELECT count(*), count(DISTINCT occasion) FROM awards WHERE badge = 'thanked'") == [(31, 31)]


def test_no_byte_of_a_user_is_left_in_the_files(project: Project) -> None:
    with open_store(str(project.db), create=True) as store, store.transaction():
        for number in range(3000):
            user = ("Xanthippe", f"u{number % 97}")[number % 3 > 0]
            state = {"text": "secretive" if user == "Xanthippe" else "plain", "long": "x" * (number % 7 * 60)}
            at = NOW - timedelta(minutes=number * 7919 % 3000)
            made = events.make("abc"[number % 3], state, user=user, at=at, now=NOW, max_bytes=10_000)
            event = store.events.add(made)
            store.awards.add(Grant(user, "badge", 1, str(number * 7919 % 3000)), made.at, event)
            entry = JournalEntry(event or 0, made.name, made.user, made.at, None, made.state_json)
            task = task_queue.defer(store, "badge", entry, made.state_json, NOW)
            store.database.execute_sql("DELETE FROM tasks WHERE number = ?", (task * 7919 % 3000,))
    assert b"Xanthippe" in project.db.read_bytes()
    reader = sqlite3.connect(project.db)  # so that the log outlives the command
    assert reader.execute("SELECT count(*) FROM events").fetchone() == (3000,)

    project.ok("user", "forget", "Xanthippe")

    assert project.db.with_name("brabeion.db-wal").exists()
    for path in project.directory.iterdir():
        content = b"" if path.is_dir() else path.read_bytes()
        assert (b"Xanthippe" in content, b"secretive" in content) == (False, False), path
    reader.close()


def test_killed_before_the_file_is_written_anew_nearly_all_is_gone(eventful: Project) -> None:
    assert b"carol" in eventful.db.read_bytes()
    with open_store(str(eventful.db)) as store:
        users.forget(store, "carol", now=NOW)

    assert b"carol" not in eventful.db.read_bytes()


def test_who_reads_for_too_long_keeps_bytes_and_it_is_said(eventful: Project) -> None:
    reader = sqlite3.connect(eventful.db, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM events").fetchone()
    with open_store(str(eventful.db), patience=0.1) as store:
        users.forget(store, "alice", now=NOW)
        assert users.erase(store) == f"other processes read {eventful.db} for too long"
        reader.close()
        assert users.erase(store) is None


def test_a_user_gets_another_name(eventful: Project) -> None:
    eventful.simple_badge("return None", slug="later", events=["badge_awarded", "thanked"], async_=True)
    eventful.ok("ingest", stdin=line("thanked", "bob", "2026-03-03", author="alice"))
    before = tables(eventful.db)
    foreseen = eventful.ok("user", "rename", "alice", "alicia", "--dry-run", "--json").json
    assert tables(eventful.db) == before

    result = eventful.ok("user", "rename", "alice", "alicia", "--json")

    counts = {"user": "alice", "name": "alicia", "events": 10, "awards": 5, "tasks": 1, "mentions": 2}
    assert (result.json, foreseen) == (counts, counts | {"dry_run": True})
    assert (
        "2 events that stay name alice in their state, and states are not changed; a replay may award alice"
        in result.err
    )
    renamed = tables(eventful.db)
    swap = {"alice": "alicia"}
    assert renamed["events"] == [(*row[:2], swap.get(row[2], row[2]), *row[3:]) for row in before["events"]]
    awards = [(swap.get(row[0], row[0]), *row[1:]) for row in before["awards"]]
    assert renamed["awards"] == sorted(awards, key=repr)
    about = [json.loads(row[9]) for row in renamed["tasks"] if row[9]]
    assert [award["user"] for award in about] == ["alicia"]
    assert json.loads(about[0]["text"])["badge"] == "thanked"
    assert (
        eventful.ok("user", "rename", "alicia", "alice").out
        == "renamed alicia to alice: 10 events, 5 awards, 1 tasks\n"
    )
    assert [tables(eventful.db)[name] for name in ("events", "awards")] == [
        before["events"],
        before["awards"],
    ]
    assert "is sound" in eventful.ok("db", "verify").out


def test_counts_of_late_events_go_with_the_name(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(late_counts, "MAX_UNCOUNTED", 0)
    record(store, [("a", days, "alice", False) for days in (9, 5, 7, 1, 3)], [], "~")
    users.rename(store, "alice", "alicia", now=NOW)

    asof = AsOf(timestamps.moment(START + timedelta(days=6)), LAST_NUMBER)
    assert [EventLog(store.database).count(user, "a", asof) for user in ("alice", "alicia")] == [0, 3]
    assert list(row_checks.contradictions(store.database)) == []
    assert {user for (user,) in store.database.execute_sql('SELECT "user" FROM late_counts')} == {"alicia"}


WRONG = [
    ("user rename alice bob", 2, "'bob' is in use already, and users cannot be merged. Nothing was changed"),
    ("user rename alice alice", 2, "'alice' has that name already"),
    ("user rename alic x", 2, "no user 'alic' (did you mean 'alice'?). Nothing was changed"),
    ("user rename alice ''", 2, "the new name is empty"),
    (f"user rename alice {'x' * 256}", 2, "the new name has 256 characters; at most 255"),
    ("user rename alice", 2, "Missing argument 'NAME'"),
    ("user forget alic", 2, "no user 'alic' (did you mean 'alice'?). Nothing was changed"),
    ("user forget ''", 2, "user is empty"),
    ("user forget alice bob", 2, "unexpected extra argument"),
    ("db prune", 2, "Missing option '--before'"),
    ("db prune --before yesterday", 2, "--before is 'yesterday'; write ISO 8601"),
    ("db prune --before 9999-01-01", 2, "which is in the future. Nothing was pruned"),
    ("db prune --before 2026-02-01 --event notised", 2, "no event 'notised' was ever recorded (did you mean 'not"),
    ("db prune --before 2026-02-01 --event badge_awarded", 2, "no event 'badge_awarded' was ever recorded"),
    (
        "db prune --before 2026-02-01 --badges none",
        2,
        "no badge is registered, so nothing says which events are needed",
    ),
    ("db prune --before 2026-02-01 --db x.db", 78, "no database at"),
    ("user forget alice --db x.db", 78, "no database at"),
]


def test_a_wrong_call_changes_nothing(eventful: Project) -> None:
    (eventful.directory / "none").mkdir()
    before = tables(eventful.db)
    for arguments, status, message in WRONG:
        result = eventful.run(*[argument.strip("'") for argument in arguments.split(" ")])

        assert (result.status, result.out) == (status, ""), arguments
        assert message in result.err
    assert tables(eventful.db) == before


# All or nothing


def forget_alice(store: Store) -> None:
    users.forget(store, "alice", now=NOW)
    users.erase(store)


def rename_alice(store: Store) -> None:
    users.rename(store, "alice", "alicia", now=NOW)


def prune_all(store: Store) -> None:
    registry = Registry()
    registry.register(Counted)
    retention.prune(store, Catalogue.of(registry), "2026-02-01", ["visited", "scored"], now=NOW)


@pytest.mark.parametrize("every", lengths(4, 1))
@pytest.mark.parametrize("change", [forget_alice, rename_alice, prune_all])
def test_killed_before_any_statement_all_is_done_or_nothing(
    eventful: Project, change: Callable[[Store], None], every: int
) -> None:
    eventful.simple_badge("return None", slug="later", events=["badge_awarded", "thanked"], async_=True)
    eventful.ok(
        "ingest", stdin=line("thanked", "bob", "2026-01-30", author="alice") + line("visited", "alice", "2025-12-01")
    )
    eventful.sql("UPDATE tasks SET token = 'held', attempts = 1, due_at = '2030-01-01'")
    before, after = tables(eventful.db), None
    copy = eventful.directory / "copy.db"
    seen = []
    for statements in range(0, 200, every):
        shutil.copy(eventful.db, copy)
        status = killed_before(statements, copy, change)
        seen.append(tables(copy))
        if status == 0:
            after = seen[-1]
            break
        copy.unlink()

    assert after is not None
    assert after != before
    assert len(seen) > 8 / every
    done = seen.index(after)
    assert seen == [before] * done + [after] * (len(seen) - done)


def killed_before(statements: int, path: Path, change: Callable[[Store], None]) -> int:
    """Run a change in a process that ends after so many statements; the status, which is 0 where it did not have to."""
    pid = os.fork()
    if pid == 0:
        left = statements

        def count_down(statement: str) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                os._exit(9)

        try:
            with open_store(str(path)) as store:
                store.database.raw().set_trace_callback(count_down)
                change(store)
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


# Meanwhile


@pytest.mark.parametrize("command", [("forget", "alice"), ("rename", "alice", "alicia"), ("forget", "bob")])
def test_a_worker_that_judges_meanwhile_loses_its_lease(project: Project, command: tuple[str, ...]) -> None:
    project.simple_badge(
        "open('started', 'a').close()\n"
        "while not os.path.exists('go'): time.sleep(0.01)\nreturn BadgeAwarded(user='bob')",
        async_=True,
    )
    project.ok("ingest", stdin=line("it_happened", "alice", "2026-01-01") + line("other", "bob", "2026-01-01"))
    worker = project.start("process-queue", "--json")
    wait_until((project.directory / "started").exists)

    project.ok("user", *command)
    assert project.sql("SELECT token, attempts FROM tasks") == [(None, 0)][command == ("forget", "alice") :]
    (project.directory / "go").touch()
    out, err = worker.communicate(timeout=20)

    assert b"task 1: its lease ran out, or it was dropped or returned to the queue; this worker recorded nothing" in err
    again = int(command != ("forget", "alice"))
    assert (worker.returncode, json.loads(out)["done"], json.loads(out)["awarded"]) == (0, again, again)
    assert "is sound" in project.ok("db", "verify").out


MEANWHILE = """
    import subprocess, sys
    from brabeion_cli import badges
    from brabeion_cli.base import Badge, BadgeAwarded

    @badges.register
    class Meanwhile(Badge):
        slug = "meanwhile"
        levels = ["One"]
        events = EVENTS

        def award(self, **state):
            if not hasattr(self, "done"):
                if state["history"].event.id != TRIGGER:  # once there are awards to enter, the store is locked
                    return BadgeAwarded(key=str(state["history"].first().id)) if EARLY else None
                self.done = True
                command = [sys.executable, "-m", "brabeion_cli", "--badges", "none", *COMMAND]
                subprocess.run(command, check=True, capture_output=True)
            return BadgeAwarded(key=str(state["history"].first().id)) if AWARDS else None
"""


THANKED = "thanked alice 2026-01-06"


def meanwhile(
    eventful: Project,
    command: tuple[str, ...],
    event: str,
    *,
    trigger: str = THANKED,
    early: bool = False,
    awards: bool = True,
) -> None:
    """A badge that runs a command while it is asked about the trigger."""
    (eventful.directory / "none").mkdir()
    values = {"EVENTS": [event], "TRIGGER": trigger, "EARLY": early, "AWARDS": awards, "COMMAND": command}
    text = MEANWHILE
    for name, value in values.items():
        text = text.replace(name, repr(value))
    eventful.badge(text, "meanwhile.py")


FORGET_ALICE, FORGET_BOB = ("user", "forget", "alice"), ("user", "forget", "bob")
RENAME_ALICE = ("user", "rename", "alice", "alicia")


@pytest.mark.parametrize(
    ("command", "mode", "event"),
    [
        (FORGET_ALICE, (), "thanked"),
        (FORGET_ALICE, ("--dry-run",), "thanked"),
        (FORGET_ALICE, (), "badge_awarded"),
        (FORGET_ALICE, ("--prune",), "badge_awarded"),
        (FORGET_BOB, (), "badge_awarded"),
        (FORGET_BOB, ("--prune",), "badge_awarded"),
        (FORGET_BOB, ("--badge", "thanked", "--badge", "collector"), "thanked"),
        (RENAME_ALICE, (), "thanked"),
        (FORGET_ALICE, ("--prune",), "noticed"),
        (RENAME_ALICE, ("--prune",), "noticed"),
    ],
)
def test_a_replay_awards_nobody_who_is_gone_meanwhile(
    eventful: Project, command: tuple[str, ...], mode: tuple[str, ...], event: str
) -> None:
    if event == "noticed":  # what was granted in the copy rests on what is gone
        meanwhile(eventful, command, event, trigger="noticed carol 2026-01-05", early=True)
    else:
        meanwhile(eventful, command, event, awards="collector" not in mode)  # whose turn comes after it

    result = eventful.run("replay", "--json", "--badge", "meanwhile", *mode)

    assert (result.status, result.err) == (0, "")
    assert eventful.sql("SELECT badge FROM awards WHERE user = ?", command[2]) == []
    assert "is sound" in eventful.ok("db", "verify").out


def test_pruned_meanwhile_nothing_is_stale(eventful: Project) -> None:
    eventful.ok(
        "ingest", stdin="".join(line("scored", "zoe", day, n=4) for day in ("2026-01-01", "2026-01-02", "2026-03-01"))
    )
    meanwhile(eventful, ("--badges", "badges", "db", "prune", *OLD, "--event", "scored"), "thanked")

    result = eventful.ok("replay", "--prune", "--json")

    assert (result.json["stale"], result.json["revoked"]) == (0, 0)


@pytest.mark.parametrize("count", lengths(4_000, 12_000))
def test_what_is_pruned_and_renamed_beside_a_running_ingest_leaves_a_sound_store(eventful: Project, count: int) -> None:
    draw = random.Random(1)
    start = datetime(2026, 1, 1, tzinfo=timezone.utc)
    lines = [
        {
            "event": draw.choice(("visited", "walked")),
            "user": draw.choice(("alice", "bob", f"user {number % 50}")),  # many late ones of two, some of many
            "at": (start + timedelta(minutes=draw.randrange(100_000))).isoformat(),
            "id": number,
        }
        for number in range(count)
    ]
    eventful.ok("ingest", stdin=line("walked", "zoe", "2025-12-01"))  # what was never recorded is not pruned
    ((before_that,),) = eventful.sql("SELECT count(*) FROM events")

    process = eventful.start("ingest", "--json")
    assert process.stdin is not None
    pruned = 0
    for runs in range(1, 9):  # each part is recorded, or waits in the pipe, while others write
        process.stdin.write("".join(json.dumps(each) + "\n" for each in lines[runs - 1 :: 8]).encode())
        process.stdin.flush()
        before = (start + timedelta(days=runs)).isoformat()
        pruned += eventful.ok("db", "prune", "--before", before, "--event", "walked", "--json").json["pruned"]
        eventful.run("user", "rename", "bob", f"bob {runs}")  # he may have no events yet
    out, _ = process.communicate()

    assert (process.returncode, json.loads(out)["recorded"]) == (0, len(lines))
    assert pruned > 1
    assert eventful.sql("SELECT count(*) FROM events") == [(before_that + len(lines) - pruned,)]
    assert "is sound" in eventful.ok("db", "verify").out


def test_what_a_replay_found_stale_is_not_revoked_once_it_rests_on_nothing(eventful: Project) -> None:
    with open_store(str(eventful.db)) as store, open_store(str(eventful.db)) as other:
        ledger = Reconciliation(store, on_copy=True)
        assert ledger.revoke_stale(["collector"], EventRange(), NOW)
        users.forget(other, "alice", now=NOW)
        list(ledger.differences(enter=True))

    # The one that alice's event earned is left to bob by now.
    left = eventful.sql("SELECT user, given_by, revoked_at FROM awards WHERE badge = 'collector'")
    assert left == [("bob", "forget", None)]
