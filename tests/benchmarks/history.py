"""What the questions that badges ask of the journal cost, for users with few and with very many events.

    python -m tests.benchmarks.history
    python -m tests.benchmarks.history --sizes 100 10000 --rounds 500

It fills a database with users of each size, asks every question in turns for all of them, so that noise hits all the
same, and prints the medians. It checks the answers; of the times it only reports.
"""

from __future__ import annotations

import argparse
import heapq
import random
import statistics
import tempfile
import time
from bisect import bisect_right, insort
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from brabeion_cli.database import late_counts
from brabeion_cli.domain import events
from brabeion_cli.domain.events import Event
from brabeion_cli.domain.grants import Grant
from brabeion_cli.domain.timeline import JournalEntry
from brabeion_cli.domain.timestamps import moment
from brabeion_cli.engine.evaluation import EvaluationContext
from brabeion_cli.engine.history import History
from brabeion_cli.engine.journal import Journal
from brabeion_cli.store.event_log import INSERT_EVENT
from brabeion_cli.store.store import Store, open_store
from tests.benchmarks.measure import Row, Settings, figure

NAME, END, DAY = "visited", datetime(2026, 11, 22, 18, 19), timedelta(days=1)
MOST_DAYS = 1000  # over which the events of a user are spread; those of a small one are one a day
LATE = 100  # of a user with late events, one event in so many is late
SIZES, ROUNDS = [100, 10_000, 1_000_000], 300
LEAST_ROUNDS, ENOUGH = 2, 1.0  # a slow question is asked so often, or until so many seconds are over


class User(NamedTuple):
    """Histories as of the newest event and of the middle one, and an event that may come at each."""

    store: Store
    newest: History
    middle: History
    hindsight: History  # of the middle one, as a replay has it
    next_one: Event
    late_one: Event


def record(user: User, event: Event) -> None:
    user.store.database.begin()
    user.store.events.add(event)
    user.store.database.rollback()


Question = tuple[str, Callable[[User], Any]]
COUNTS: list[Question] = [
    ("count(name)", lambda user: user.newest.count(NAME)),
    ("count(name), in the middle", lambda user: user.middle.count(NAME)),
    ("count(name), in the middle, hindsight", lambda user: user.hindsight.count(NAME)),
    ("record one more", lambda user: record(user, user.next_one)),
    ("record one in the middle", lambda user: record(user, user.late_one)),
]
QUESTIONS: list[Question] = [
    *COUNTS,
    ("count()", lambda user: user.newest.count()),
    ("first(name)", lambda user: user.newest.first(NAME)),
    ("last(name)", lambda user: user.newest.last(NAME)),
    ("has(badge)", lambda user: user.newest.has("one")),
    ("days(name)", lambda user: user.newest.days(NAME)),
    ("streak(name)", lambda user: user.newest.streak(NAME)),
    ("events(name, since=a day ago)", lambda user: sum(1 for _ in user.newest.events(NAME, since=END - DAY))),
    ("sum(name, field)", lambda user: user.newest.sum(NAME, "points")),
    ("count(name, field=value)", lambda user: user.newest.count(NAME, own=True)),
]
READS_EACH = ("sum(name, field)", "count(name, field=value)")  # by no index: as long as there are events
EACH = {"days(name)": "day", "streak(name)": "day", "events(name, since=a day ago)": "event"}  # what an answer counts


def rows(user: str, name: str, size: int, late: int = 0) -> Iterator[tuple[timedelta, tuple[Any, ...]]]:
    """How long before the end each event of a user is recorded, negative; and its row, as recording would have it."""
    draw = random.Random(user)
    span = DAY * min(size, MOST_DAYS)
    step = span / size
    in_time: list[timedelta] = []
    came_late: list[timedelta] = []
    for number in range(size):
        recorded = at = step * (number + 1 - size)
        is_late = late > 0 and number % late == late // 2
        if is_late:
            at -= step * 1.5 + span * draw.random() / 10
        late_tally = bisect_right(came_late, at) + is_late
        tally = bisect_right(in_time, at) + late_tally + (not is_late)
        insort(came_late, at) if is_late else in_time.append(at)
        state = f'{{"points":{number % 10},"own":{"true" if number % 3 else "false"}}}'
        yield recorded, (name, user, moment(END + at), None, state, tally, is_late, late_tally)


def fill(store: Store, sizes: Sequence[int]) -> None:
    """Users of each size whose events came in time, or some late; with events of other names, and among other users."""
    streams = [rows(f"even-{size}", NAME, size) for size in sizes]
    streams += [rows(f"late-{size}", NAME, size, LATE) for size in sizes]
    streams += [rows(f"even-{size}", name, 50) for size in sizes for name in ("posted", "voted")]
    streams += [rows(f"other-{number}", NAME, 2000) for number in range(20)]
    execute = store.database.execute_sql
    indexes = execute("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = 'events'").fetchall()
    store.database.pragma("journal_mode", "off")  # faster, as it is to index what is there
    with store.transaction():
        for name, _ in indexes:
            execute(f'DROP INDEX "{name}"')
        store.database.raw().executemany(INSERT_EVENT, (row for _, row in heapq.merge(*streams)))
        for statement in (*(sql for _, sql in indexes), *late_counts.recount()):
            execute(statement)
        for size in sizes:
            store.awards.add(Grant(f"even-{size}", "one", 1, "", 0), moment(END - DAY), 1)
    store.database.pragma("journal_mode", "wal")


def find_user(store: Store, name: str, size: int) -> User:
    """The user; raises `AssertionError` where what `fill` made up is not what recording would have."""

    def find(columns: str, rest: str = "", *values: int | str) -> Any:
        sql = f'SELECT {columns} FROM events WHERE "user" = ? AND name = ? {rest}'
        return store.database.execute_sql(sql, (name, NAME, *values)).fetchone()

    def event(at: str) -> Event:
        return events.make(NAME, {"points": 1}, user=name, at=at, now=END, max_bytes=1000)

    row, place = 'number, name, "user", at, id, state', "ORDER BY at, number LIMIT 1 OFFSET ?"
    entries = [JournalEntry(*find(row, place, offset)) for offset in (size - 1, size // 2)]
    cases = [
        EvaluationContext(entry, Journal(store.database), hindsight=late) for late in (False, True) for entry in entries
    ]
    for case in cases:
        at, number, _, known = case.history._asof
        before = "AND (at, number) <= (?, ?) AND number <= ?"
        assert case.history.count(NAME) == find("count(*)", before, at, number, known)[0]
    newest, middle, _, hindsight = (case.history for case in cases)
    assert newest.days(NAME) == find("count(DISTINCT substr(at, 1, 10))")[0]
    return User(store, newest, middle, hindsight, event(entries[0].at), event(entries[1].at))


def medians(ask: Callable[[User], Any], users: list[User], rounds: int) -> list[float]:
    """In microseconds."""
    times: list[list[float]] = [[] for _ in users]
    end = time.perf_counter() + ENOUGH
    while len(times[0]) < LEAST_ROUNDS or (len(times[0]) < rounds and time.perf_counter() < end):
        for user, taken in zip(users, times, strict=True):
            start = time.perf_counter()
            ask(user)
            taken.append((time.perf_counter() - start) * 1e6)
    return [statistics.median(taken) for taken in times]


def ask_all(sizes: Sequence[int], rounds: int) -> Iterator[tuple[str, list[float]]]:
    """Every question with what it takes users of each size, in microseconds; and that for each day or event found."""
    with tempfile.TemporaryDirectory() as folder, open_store(str(Path(folder) / "a.db"), create=True) as store:
        fill(store, sizes)
        for kind, suffix, questions in (("even", "", QUESTIONS), ("late", f"; 1 in {LATE} late", COUNTS)):
            users = [find_user(store, f"{kind}-{size}", size) for size in sizes]
            for text, ask in questions:
                times = medians(ask, users, rounds)
                yield text + suffix, times
                if text in EACH:
                    found = [int(ask(user)) for user in users]
                    each = [taken / number for taken, number in zip(times, found, strict=True)]
                    yield f"{text}, for each {EACH[text]} found", each


def measure(settings: Settings) -> Iterator[Row]:
    """The rows of S6: each question of a user with many events, against one with few."""
    sizes = [10, 100] if settings.quick else SIZES
    for text, times in ask_all(sizes, 5 if settings.quick else ROUNDS):
        few, many = figure(times[0], "µs"), figure(times[-1], "µs")
        goal = None if text in EACH or text in READS_EACH else 2.0
        yield Row("S6", f"{text}: {sizes[-1]:,} events against {sizes[0]:,}", many, few, times[-1] / times[0], goal)


def main() -> None:
    parser = argparse.ArgumentParser("python -m tests.benchmarks.history", description=str(__doc__).partition("\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="events of a user")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"how often to ask, at most; default {ROUNDS}")
    options = parser.parse_args()
    sizes = sorted(set(options.sizes))
    print(f"{'microseconds, where a user has so many events':<54}", *(f"{size:>13,}" for size in sizes), "    ratio")
    for text, times in ask_all(sizes, options.rounds):
        figures = (f"{taken:>13,.1f}" for taken in times)
        print(f"{text:<54}", *figures, f"{times[-1] / times[0]:>9,.1f}", flush=True)


if __name__ == "__main__":
    main()
