"""S7: `list --user`, `badges` and `leaderboard` with few awards and very many: time beyond start-up."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path

from brabeion_cli.store import INSERT_EVENT, open_store
from tests.benchmarks import events
from tests.benchmarks.measure import BRABEION, Comparison, Program, Row, Run, Settings, figure, in_turns

SIZES, FULL_SIZES, QUICK_SIZES = (10_000, 1_000_000), (10_000, 10_000_000), (100, 1000)
OF_USER = 20  # awards of each user, ten by each event
COMMANDS = (("list", "--user", "user-7"), ("badges",), ("leaderboard",))
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


def journal(count: int) -> Iterator[tuple[str, str, str, None, str, int, int]]:
    """Rows of so many events, two of each user."""
    for index in range(count):
        at = events.as_recorded(events.BEGINNING + events.STEP * index)
        yield "points_awarded", f"user-{index // 2}", at, None, "{}", index % 2 + 1, 0


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
    folders = [site(settings, count) for count in (0, few, many)]
    for arguments in COMMANDS:
        empty, small, large = in_turns([asking(folder, arguments) for folder in folders], settings.runs)
        start_up = statistics.median(run.cpu for run in empty)
        beyond = Comparison(*(milliseconds(runs, start_up) for runs in (large, small)))
        text = " ".join(arguments).replace("user-7", "U")
        ours, reference = (figure(statistics.median(values), "ms") for values in beyond)
        what = f"{text}: {many:,} awards against {few:,}, processor time beyond start-up ({start_up * 1000:.0f} ms)"
        yield Row("S7", what, ours, reference)


def milliseconds(runs: Sequence[Run], start_up: float) -> list[float]:
    """What runs took beyond start-up."""
    return [(run.cpu - start_up) * 1000 for run in runs]
