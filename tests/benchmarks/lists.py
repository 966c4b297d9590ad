"""S7: `list --user`, `badges` and `leaderboard` with very many awards: against few, and beyond start-up."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path

from brabeion_cli.store.event_log import INSERT_EVENT
from brabeion_cli.store.store import open_store
from tests.benchmarks import events
from tests.benchmarks.measure import BRABEION, Comparison, Program, Row, Settings, compare, in_turns, single

SIZES, FULL_SIZES, QUICK_SIZES = (10_000, 1_000_000), (10_000, 10_000_000), (100, 1000)
OF_USER = 20  # awards of each user, ten by each event
FROM_TOTALS, MOST = ("badges", "leaderboard"), 0.100  # seconds beyond start-up
INSERT_AWARD = (
    'INSERT INTO awards ("user", badge, level, "key", occasion, awarded_at, event_number, position) '
    "VALUES (?, 'points', ?, ?, 0, ?, ?, ?)"
)


def awards(count: int) -> Iterator[tuple[str, int, str, str, int, int]]:
    """Rows of so many awards: user, level, key, moment, the number of the event and the place among its awards."""
    for index in range(count):
        user, place = divmod(index, OF_USER)
        at = events.as_recorded(events.BEGINNING + events.STEP * (index // 10))
        yield f"user-{user}", index % 3 + 1, f"post-{place}", at, index // 10 + 1, index % 10 + 1


def journal(count: int) -> Iterator[tuple[str, str, str, None, str, int, int, int]]:
    """Rows of so many events, two of each user."""
    for index in range(count):
        at = events.as_recorded(events.BEGINNING + events.STEP * index)
        yield "points_awarded", f"user-{index // 2}", at, None, "{}", index % 2 + 1, 0, 0


def site(settings: Settings, count: int) -> Path:
    """A folder to run commands in, with so many awards on record."""
    folder = events.site(settings.folder, events.POINTS)
    with open_store(str(folder / "brabeion.db"), create=True) as store:
        with store.transaction():
            raw = store.database.raw()
            raw.executemany(INSERT_EVENT, journal(count // 10))
            raw.executemany(INSERT_AWARD, awards(count))
        store.database.pragma("wal_checkpoint", "truncate")
    return folder


def asking(folder: Path, arguments: Sequence[str]) -> Program:
    """A question about what is on record in a folder."""
    return Program(folder, lambda _: [BRABEION, *arguments])


def measure(settings: Settings) -> Iterator[Row]:
    """The rows of S7."""
    few, many = QUICK_SIZES if settings.quick else FULL_SIZES if settings.full else SIZES
    empty, small, large = (site(settings, count) for count in (0, few, many))
    lists = in_turns([asking(folder, ["list", "--user", "user-7"]) for folder in (large, small)], settings.runs)
    whole = Comparison(*([run.cpu * 1000 for run in runs] for runs in lists))
    what = f"list --user U: {many:,} awards against {few:,}, processor time of the whole command"
    yield compare("S7", what, "ms", whole, 1.2)
    for name in FROM_TOTALS:
        of_none, of_many = in_turns([asking(folder, [name]) for folder in (empty, large)], settings.runs)
        beyond = statistics.median(run.cpu for run in of_many) - statistics.median(run.cpu for run in of_none)
        yield single("S7", f"{name}: {many:,} awards, beyond start-up", "ms", beyond * 1000, MOST * 1000, 1.0)
