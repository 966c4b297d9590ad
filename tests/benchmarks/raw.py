"""What anybody would write without brabeion: `json.loads`, the badges' own `award()`, and `sqlite3`.

    python -m tests.benchmarks.raw ingest EVENTS DATABASE BADGES
    python -m tests.benchmarks.raw award EVENTS BADGES

`ingest` fills the same tables with the same rows, in transactions of 1,000 events: no time-outs, no child process, no
check of what comes in, nobody else let in between. `award` only reads the events and asks the badges.
"""

from __future__ import annotations

import json
import sqlite3
import sys
import time
from collections.abc import Iterator
from typing import Any

from brabeion_cli.base import Badge, BadgeAwarded
from brabeion_cli.database.migrations import SCHEMA_VERSION, statements
from brabeion_cli.database.schema import APPLICATION_ID
from brabeion_cli.project import loader
from brabeion_cli.project.config import BadgeDirectory

IN_TRANSACTION = 1000
INSERT_EVENT = (
    'INSERT INTO events (name, "user", at, id, state, tally, late, late_tally) '
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
)
INSERT_AWARD = (
    'INSERT INTO awards ("user", badge, level, "key", occasion, awarded_at, event_number, position) '
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
)
COUNT = 'SELECT count(*), coalesce(sum(late), 0) FROM events WHERE "user" = ? AND name = ? AND at <= ?'

Listeners = dict[str, list[Badge]]


def listeners(folder: str) -> Listeners:
    """The badges of a folder, by the events that they listen to."""
    registry = loader.load([BadgeDirectory(folder, "--badges", False)])
    return {name: [*registry.listening_to(name)] for name in registry.event_names}


def create(path: str) -> sqlite3.Connection:
    """A database with our tables and indexes, and as safe as ours."""
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode = wal")
    database.execute("PRAGMA synchronous = FULL")
    for statement in statements():
        database.execute(statement)
    database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    return database


def granted(badge: Badge, answer: BadgeAwarded, user: str, number: int) -> Iterator[tuple[str, str, int, str, int]]:
    """User, slug, level, key and occasion of each award behind an answer."""
    for awarded in (answer, *answer.also):
        top, key = awarded.level or 1, str(awarded.key or "")
        for level in range(1 if badge.cumulative else top, top + 1):
            occasion = number if badge.multiple and not key else 0
            yield str(awarded.user or user), badge.slug, level, key, occasion


def ingest(stream: str, path: str, badges: Listeners) -> None:
    """Record the events of a stream, and award what they earn."""
    encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
    database = create(path)
    execute = database.execute
    tallies: dict[tuple[str, str], tuple[int, int, str]] = {}
    with open(stream, "rb") as file:
        for index, line in enumerate(file):
            if index % IN_TRANSACTION == 0:
                if index:
                    execute("COMMIT")
                execute("BEGIN IMMEDIATE")
            event = json.loads(line)
            name, user, at, state = event["event"], event["user"], event["at"], event["state"]
            count, late_ones, last = tallies.get((user, name), (0, 0, ""))
            late = at < last
            before, late_before = execute(COUNT, (user, name, at)).fetchone() if late else (count, late_ones)
            place = (before + 1, late, late_before + late)
            cursor = execute(INSERT_EVENT, (name, user, at, event["id"], encode(state), *place))
            if cursor.rowcount != 1:
                continue  # its id is there
            tallies[user, name] = (count + 1, late_ones + late, last if late else at)
            number, position = cursor.lastrowid or 0, 1
            for badge in badges.get(name, ()):
                answer: Any = badge.award(user=user, **state)
                if answer is not None:
                    for award in granted(badge, answer, user, number):
                        position += execute(INSERT_AWARD, (*award, at, number, position)).rowcount
    execute("COMMIT")
    database.close()


def award(stream: str, badges: Listeners) -> float:
    """Ask the badges about each event of a stream; the seconds that this takes, without reading."""
    seconds = 0.0
    with open(stream, "rb") as file:
        for line in file:
            event = json.loads(line)
            name, user, state = event["event"], event["user"], event["state"]
            start = time.perf_counter()
            for badge in badges.get(name, ()):
                badge.award(user=user, **state)
            seconds += time.perf_counter() - start
    return seconds


def main(what: str, stream: str, *others: str) -> None:
    if what == "ingest":
        ingest(stream, others[0], listeners(others[1]))
    else:
        print(award(stream, listeners(others[0]) if others else {}))


if __name__ == "__main__":
    main(*sys.argv[1:])
