"""S4: one `fire`, the whole process, against one that imports the same libraries and makes the same two inserts."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

from tests.benchmarks import events, ingest, peers
from tests.benchmarks.measure import (
    BRABEION,
    PROGRAMS,
    Comparison,
    Program,
    Row,
    Settings,
    compare,
    counts_instructions,
    in_turns,
    instructions,
    run,
    single,
)

ROUNDS, QUICK_ROUNDS = 25, 3
WARMING, COUNTING, AGAIN = 1001, 1002, 2000  # rounds beside those that are timed: each fires for a user of its own
STATE = json.dumps({"points": 8000})
GOAL = 1.15


def measure(settings: Settings) -> Iterator[Row]:
    """The rows of S4."""
    folder = events.site(settings.folder, events.POINTS)
    stream = events.write(folder / "events.ndjson", events.stream(1000))
    run(ingest.ours(folder, stream))
    ingest.checkpointed(folder / "brabeion.db")
    (folder / "peewee.db").write_bytes((folder / "brabeion.db").read_bytes())

    def user(turn: int) -> list[str]:
        return ["points_awarded", "--user", f"new-{turn}", "--state", STATE]

    fire = Program(folder, lambda turn: [BRABEION, "fire", *user(turn)])
    plain = Program(folder, lambda turn: [sys.executable, str(PROGRAMS / "peewee_fire.py"), "peewee.db", *user(turn)])
    rounds = QUICK_ROUNDS if settings.quick else max(settings.runs, ROUNDS)
    for program in (fire, plain):
        run(program, WARMING)
    if counts_instructions(settings):
        each = [instructions(program, COUNTING) for program in (fire, plain)]
        what = "fire against the same inserts by click and peewee: instructions"
        yield single("S4", what, "M", each[0] / 1e6, each[1] / 1e6, GOAL)
    runs = in_turns([fire, plain], rounds)
    for clock, what in (("wall", "… time"), ("cpu", "… processor time")):
        figures = Comparison(*([getattr(one, clock) * 1000 for one in each] for each in runs))
        yield compare("S4", what, "ms", figures, GOAL)
    if settings.peers:
        yield from against_sqlite_utils(fire, rounds)


def against_sqlite_utils(fire: Program, rounds: int) -> Iterator[Row]:
    """`sqlite-utils insert` of one row, whole process; by its own interpreter."""
    event = fire.folder / "event.json"
    event.write_text(json.dumps({"name": "points_awarded", "user": "new", "state": STATE}))
    insert = [peers.executable("sqlite-utils"), "insert", "utils.db", "events", str(event)]
    later = fire._replace(command=lambda turn: fire.command(AGAIN + turn))
    runs = in_turns([later, Program(fire.folder, lambda _: insert)], rounds)
    figures = Comparison(*([one.wall * 1000 for one in each] for each in runs))
    yield compare("S4", "fire against sqlite-utils insert: time", "ms", figures)
