"""S1 and S9: `ingest` against a plain loop that fills the same tables, and against pinax-badges."""

from __future__ import annotations

import contextlib
import sqlite3
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.benchmarks import events, peers
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
    instructions_each,
    single,
)

SIZES = (1000, 5000)  # events of which instructions are counted


def without(folder: Path) -> None:
    """Remove the databases of a folder."""
    for path in folder.glob("*.db*"):
        path.unlink()


def ours(folder: Path, stream: Path) -> Program:
    """`ingest` into a new database."""
    return Program(folder, lambda _: [BRABEION, "ingest", str(stream)], lambda: without(folder))


def raw(folder: Path, stream: Path) -> Program:
    """The plain loop into a new database."""
    command = [sys.executable, "-m", "tests.benchmarks.raw", "ingest", str(stream), "raw.db", "badges"]
    return Program(folder, lambda _: command, lambda: without(folder))


def prepared(settings: Settings, kind: Callable[[Path, Path], Program]) -> Callable[[int], Program]:
    """Programs by the size of their stream, each in a folder of its own."""

    def prepare(count: int) -> Program:
        folder = events.site(settings.folder, events.POINTS)
        return kind(folder, events.write(folder / "events.ndjson", events.stream(count)))

    return prepare


def measure(settings: Settings) -> Iterator[Row]:
    """The rows of S1 and S9."""
    if counts_instructions(settings):
        each = [instructions_each(prepared(settings, kind), SIZES) for kind in (ours, raw)]
        yield single("S1", "ingest against a plain loop: instructions an event", "", each[0], each[1], goal=1.5)
    programs = [prepared(settings, kind)(settings.events) for kind in (ours, raw)]
    runs = in_turns(programs, settings.runs)
    cpu, wall = (
        Comparison(*([getattr(run, clock) * 1e6 / settings.events for run in each] for each in runs))
        for clock in ("cpu", "wall")
    )
    yield compare("S1", "… processor time an event", "µs", cpu)
    yield compare("S1", "… time an event", "µs", wall)
    sizes = [checkpointed(*program.folder.glob("*.db")) for program in programs]
    yield single("S9", "size of the database", "MB", sizes[0] / 1e6, sizes[1] / 1e6, goal=1.3)
    if settings.peers:
        yield from against_pinax(settings, programs[0])


def checkpointed(path: Path) -> int:
    """The bytes of a database, all of it in one file."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path.stat().st_size


def against_pinax(settings: Settings, program: Program) -> Iterator[Row]:
    """Rates; pinax-badges without its start-up, and on fewer events, because it is slow."""
    count = min(settings.events, 200 if settings.quick else 20_000 if settings.full else 2000)
    folder = events.site(settings.folder)
    stream = events.write(folder / "events.ndjson", events.stream(count))

    def pinax(*options: str) -> Program:
        command = [peers.executable("python"), str(PROGRAMS / "pinax_ingest.py"), str(stream), "pinax.db", *options]
        return Program(folder, lambda _: command, lambda: without(folder))

    own, plain, journal = in_turns([program, pinax(), pinax("journal")], settings.runs)
    rates = [settings.events / run.wall for run in own]
    for what, runs, goal in (("without a journal", plain, 15), ("with a journal", journal, 25)):
        figures = Comparison(rates, [count / float(run.out) for run in runs])
        yield compare("S1", f"ingest against pinax-badges {what}: rate", "/s", figures, goal, at_least=True)
