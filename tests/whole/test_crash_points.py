"""R17: killed before any of its statements, an operation has happened or has not; run again, it ends as if it had never
been killed.

An operation runs in a child that kills itself before one of its statements, or after the last one. What it left on
disk must then be what was there before, or what is there after; and what is there after where it had said so. In long
runs each statement has its turn.

`replay` commits in steps, and promises: what it told in a `Step` is there, and at most one step more.
`StoreInUse.torn` commits in its middle: the walk over it shows what fails then ("left neither before nor after").
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import shutil
import signal
import sqlite3
import traceback
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from brabeion_cli.base import Badge, BadgeAwarded
from brabeion_cli.database import integrity
from brabeion_cli.domain import events
from brabeion_cli.domain.catalogue import Catalogue
from brabeion_cli.domain.outcomes import Failure, NewAward
from brabeion_cli.engine import manual_awards
from brabeion_cli.engine.event_processor import EventProcessor
from brabeion_cli.engine.session import Session
from brabeion_cli.project.registry import Registry
from brabeion_cli.queue import completion, worker
from brabeion_cli.queue.messages import Evaluated
from brabeion_cli.replay import checkpoints
from brabeion_cli.replay.messages import Checkpoint, ReplayRequest
from brabeion_cli.replay.walk import Replay
from brabeion_cli.sandbox.guard import Guard
from brabeion_cli.store import reconciliation, task_admin, task_queue
from brabeion_cli.store.event_range import EventRange
from brabeion_cli.store.store import Store, open_store
from brabeion_cli.store.task_queue import ClaimedTask
from tests.support.lengths import lengths
from tests.support.moments import NOW
from tests.support.older_databases import older_copy

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")

TOLD = b"told"  # what a child writes among its statements

Tell = Callable[[Sequence[NewAward]], object]
Operation = Callable[[Store, Tell], object]


def nobody(awards: Sequence[NewAward]) -> None:
    """The listener of an operation that is not killed."""


def registry_of(*, strict: bool) -> Registry:
    """Badges of all kinds; with `strict` one of them gives less than it did, and one is new."""

    class Level(Badge):
        slug, levels, events, cumulative = "level", ["a", "b", "c"], ["e"], True

        def award(self, **state: Any) -> BadgeAwarded:
            return BadgeAwarded(level=state["n"])

    class Failing(Badge):
        slug, levels, events = "failing", ["One"], ["e"]

        def award(self, **state: Any) -> BadgeAwarded:
            raise ValueError("odd")

    class Later(Badge):
        slug, levels, events, async_ = "later", ["One"], ["e"], True

        def award(self, **state: Any) -> BadgeAwarded | None:
            return BadgeAwarded.several(BadgeAwarded(key=key) for key in ("any", state["history"].event.id))

    class Loose(Badge):
        slug, levels, events = "loose", ["One"], ["e"]

        def award(self, **state: Any) -> BadgeAwarded | None:
            return BadgeAwarded(key=state["history"].event.id) if state["n"] == 2 or not strict else None

    class Collector(Badge):
        slug, levels, events = "collector", ["One"], ["badge_awarded"]

        def award(self, **state: Any) -> BadgeAwarded | None:
            told = f"{state['badge']} {state['level']} {state['key']}"
            return BadgeAwarded(key=told) if state["badge"] != "collector" else None

    class New(Badge):
        slug, levels, events, multiple = "new", ["One"], ["e"], True

        def award(self, **state: Any) -> BadgeAwarded:
            return BadgeAwarded()

    registry = Registry()
    for badge in (Level, Failing, Later, Loose, Collector, *((New,) if strict else ())):
        registry.register(badge)
    return registry


class StoreInUse(NamedTuple):
    """A store that holds something of everything; `task` is one that a worker holds."""

    path: Path
    registry: Registry
    task: ClaimedTask

    def fire(self, store: Store, tell: Tell) -> None:
        record(self.registry, store, "fired", "dave", 3)

    def claim(self, store: Store, tell: Tell) -> None:
        task_queue.claim(store, 2, 60, 1, NOW + timedelta(seconds=30))

    def finish(self, store: Store, tell: Tell) -> None:
        with Guard(5) as guard:
            answer = worker.evaluate_task(self.task, Session(self.registry, store, guard))
        assert isinstance(answer, Evaluated)
        completion.finish(store, [(self.task, answer.grants)], Catalogue.of(self.registry), NOW)

    def fail(self, store: Store, tell: Tell) -> None:
        task_queue.fail(store, self.task, Failure("odd", "odd.py:1"), 5, 0, NOW)

    def give_back(self, store: Store, tell: Tell) -> None:
        task_queue.give_back(store, [self.task])

    def retry(self, store: Store, tell: Tell) -> None:
        task_admin.retry(store, None, NOW)

    def drop(self, store: Store, tell: Tell) -> None:
        task_admin.drop(store, None)

    def give(self, store: Store, tell: Tell) -> None:
        badge = manual_awards.registered(Catalogue.of(self.registry), "level")
        manual_awards.give(store, badge, "carol", 3, None, by="bob", reason="quiz", now=NOW)

    def revoke(self, store: Store, tell: Tell) -> None:
        manual_awards.revoke(store, "alice", "level", None, None, by="bob", reason="void", now=NOW)

    def replay(self, store: Store, tell: Tell, *, prune: bool = False) -> None:
        with Guard(5) as guard:
            request = ReplayRequest(EventRange(), None, NOW, prune=prune)
            Replay(Session(self.registry, store, guard), request).run(lambda checkpoint: _tell(tell, checkpoint))

    def prune(self, store: Store, tell: Tell) -> None:
        self.replay(store, tell, prune=True)

    def torn(self, store: Store, tell: Tell) -> None:
        """What `finish` must not be: the task goes in one transaction, its awards come in another."""
        with store.transaction():
            task_queue.finish(store, [self.task])
        self.give(store, tell)


def _tell(tell: Tell, checkpoint: Checkpoint) -> None:
    tell(checkpoint.awards)


def record(registry: Registry, store: Store, id: str, user: str, n: int) -> None:
    event = events.make("e", {"n": n}, user=user, id=id, at=NOW, now=NOW, max_bytes=1000)
    with Guard(5) as guard, store.transaction():
        EventProcessor(Session(registry, store, guard)).record(event, NOW)


@pytest.fixture(scope="module")
def in_use(tmp_path_factory: pytest.TempPathFactory) -> StoreInUse:
    """Of alice the later event is judged and the other is being judged; bob's tasks are dead, or their worker is."""
    path = tmp_path_factory.mktemp("site") / "store.db"
    before, after = registry_of(strict=False), registry_of(strict=True)
    with open_store(str(path), create=True) as store:
        for number, (user, n) in enumerate((("alice", 1), ("alice", 2), ("bob", 1), ("carol", 1)), 1):
            record(before, store, str(number), user, n)  # tasks 2 * number - 1 (failing) and 2 * number (later)
        StoreInUse(path, after, claimed(store, 4)).finish(store, nobody)
        task_queue.fail(store, claimed(store, 5), Failure("odd"), 1, 0, NOW)
        claimed(store, 6, lease=10)
        manual_awards.give(
            store,
            manual_awards.registered(Catalogue.of(after), "loose"),
            "bob",
            1,
            "x",
            by="eve",
            reason="quiz",
            now=NOW,
        )
        return StoreInUse(path, after, claimed(store, 2))


def claimed(store: Store, number: int, lease: float = 60) -> ClaimedTask:
    """That task, held by a worker."""
    store.database.execute_sql("UPDATE tasks SET due_at = '2000-01-01T00:00:00.000000Z' WHERE number = ?", (number,))
    (task,) = task_queue.claim(store, 1, lease, 5, NOW).tasks
    assert task.number == number
    return task


@pytest.fixture(scope="module")
def old(in_use: StoreInUse, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The rows of that store, in one of schema version 1."""
    return older_copy(tmp_path_factory.mktemp("old") / "store.db", in_use.path)


def contents(path: Path) -> str:
    """All that a store holds."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        marks = [database.execute(f"PRAGMA {mark}").fetchone()[0] for mark in ("application_id", "user_version")]
        return without_tokens("\n".join([*database.iterdump(), str(marks)]))


def without_tokens(text: str) -> str:
    """The text with the same word for each token of a claim, which is drawn by lot."""
    return re.sub("'[0-9a-f]{32}'", "'token'", text)


def before_each_statement(action: Callable[[str], None]) -> None:
    """From now on, on every connection of this process."""
    connect = sqlite3.connect

    def connect_traced(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connection = connect(*arguments, **options)
        connection.set_trace_callback(action)
        return connection

    sqlite3.connect = connect_traced  # type: ignore[assignment]


class Run(NamedTuple):
    """What a child did: how often it told of something, and the statements that it began (reading ones left out)."""

    told: int
    statements: list[str]


def killed(path: Path, operation: Operation, point: int | None = None) -> Run:
    """Run the operation in a child that is killed before its statement number `point`, or after the last one."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            numbers = itertools.count()

            def die(statement: str) -> None:
                # Before one that only reads, the disk is as it is before the next one.
                if not statement.startswith("SELECT"):
                    os.write(writing, statement.encode() + b"\0")
                    if next(numbers) == point:
                        os.kill(os.getpid(), signal.SIGKILL)

            before_each_statement(die)
            with open_store(str(path), create=True) as store:
                operation(store, lambda awards: os.write(writing, TOLD + b"\0"))
                os.write(writing, TOLD + b"\0")
                os.kill(os.getpid(), signal.SIGKILL)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)
    os.close(writing)
    with open(reading, "rb") as pipe:
        written = pipe.read().split(b"\0")[:-1]
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    return Run(written.count(TOLD), [without_tokens(each.decode()) for each in written if each != TOLD])


def states(path: Path, operation: Operation) -> list[str]:
    """What the store holds before the operation, after each thing that it tells of, and after its end."""
    found = [contents(path)]

    def tell(awards: Sequence[NewAward]) -> None:
        found.append(contents(path))
        for (user, badge, level, key, occasion, _), *_ in awards:
            assert f"VALUES('{user}','{badge}',{level},'{key}',{occasion}," in found[-1], "told, and not there"

    with open_store(str(path), create=True) as store:
        operation(store, tell)
        tell([])
    return found


def every(statements: list[str]) -> list[int]:
    """All points: before each statement, and after the last one."""
    return list(range(len(statements) + 1))


def some(statements: list[str]) -> list[int]:
    """Points around the first and the last commit, where most can go wrong, and a few from begin to end."""
    commits = [number for number, statement in enumerate(statements) if statement == "COMMIT"]
    around = {near for commit in (commits[0], commits[-1]) for near in (commit - 1, commit, commit + 1)}
    return sorted({*around, *range(0, len(statements), len(statements) // 4), len(statements)})


Chosen = Callable[[list[str]], list[int]]


def walk(before: Path, operation: Operation, chosen: Chosen) -> list[str]:
    """Kill the operation at the chosen points; all its statements."""
    path = before.with_name("killed.db")

    def copy() -> None:
        for end in ("", "-wal", "-shm"):
            path.with_name(path.name + end).unlink(missing_ok=True)
        if before.exists():
            shutil.copy(before, path)

    copy()
    wanted = states(path, operation)
    assert wanted[0] != wanted[-1]
    copy()
    statements = killed(path, operation).statements
    for point in chosen(statements):
        copy()
        run = killed(path, operation, point)
        assert run.statements == statements[: point + 1]
        where = f"killed before statement {point} ({[*statements, 'after the last'][point]})"
        found = contents(path)
        assert found in wanted[run.told : run.told + 2], f"{where} it left neither before nor after"
        with open_store(str(path), create=True) as store:
            assert list(integrity.problems(store.database)) == [], where
            operation(store, nobody)
        assert contents(path) == wanted[-1], f"{where} and run again it came to another end"
    return statements


POINTS = pytest.mark.parametrize("chosen", lengths(some, every))


@POINTS
@pytest.mark.parametrize(
    ("name", "points", "commits"),
    [
        ("fire", 18, 1), ("claim", 10, 1), ("finish", 12, 1), ("fail", 9, 1), ("give_back", 9, 1), ("retry", 9, 1),
        ("drop", 9, 1), ("give", 11, 1), ("revoke", 9, 1), ("replay", 70, 4), ("prune", 120, 3),
    ],
)  # fmt: skip
def test_killed_before_any_statement_it_has_happened_or_has_not(
    in_use: StoreInUse, monkeypatch: pytest.MonkeyPatch, name: str, points: int, commits: int, chosen: Chosen
) -> None:
    monkeypatch.setattr(checkpoints, "LOCK_SECONDS", 0)  # a step for each event
    monkeypatch.setattr(reconciliation, "PAGE", 5)  # and for every five awards

    statements = walk(in_use.path, getattr(in_use, name), chosen)

    assert len(statements) >= points
    assert statements.count("COMMIT") >= commits


@POINTS
def test_killed_while_it_migrates_a_store_is_of_the_old_version_or_of_the_new(old: Path, chosen: Chosen) -> None:
    statements = walk(old, lambda store, tell: None, chosen)

    assert len(statements) >= 20
    assert "COMMIT" in statements


@POINTS
def test_killed_while_it_creates_a_store_is_empty_or_there(tmp_path: Path, chosen: Chosen) -> None:
    statements = walk(tmp_path / "none.db", lambda store, tell: None, chosen)

    assert len(statements) >= 20
    assert "COMMIT" in statements


@POINTS
def test_the_walk_finds_an_operation_that_commits_in_its_middle(in_use: StoreInUse, chosen: Chosen) -> None:
    with pytest.raises(AssertionError, match=r"killed before statement \d+ .* it left neither before nor after"):
        walk(in_use.path, in_use.torn, chosen)
