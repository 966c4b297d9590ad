"""S8: `replay` of the journal of S1 for one new badge, against the rate at which it was ingested."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import partial

from tests.benchmarks import events, ingest
from tests.benchmarks.measure import (
    BADGES,
    BRABEION,
    Comparison,
    Program,
    Row,
    Settings,
    compare,
    counts_instructions,
    in_turns,
    instructions_each,
    run,
    single,
)

GOAL = 0.7


def replaying(settings: Settings, count: int) -> Program:
    """`replay` of so many events, none of which the badge has seen."""
    folder = events.site(settings.folder, events.POINTS)
    run(ingest.ours(folder, events.write(folder / "events.ndjson", events.stream(count))))
    ingest.checkpointed(folder / "brabeion.db")
    (folder / "brabeion.db").rename(folder / "ingested")
    shutil.copy(BADGES / "counted.py", folder / "badges")

    def refill() -> None:
        ingest.without(folder)
        shutil.copy(folder / "ingested", folder / "brabeion.db")

    return Program(folder, lambda _: [BRABEION, "replay", "--badge", "counted"], refill)


def measure(settings: Settings) -> Iterator[Row]:
    """The rows of S8."""
    ingesting = ingest.prepared(settings, ingest.ours)
    if counts_instructions(settings):
        counts = [instructions_each(make, ingest.SIZES) for make in (partial(replaying, settings), ingesting)]
        yield single("S8", "replay against ingest: instructions an event", "", *counts)
    count = settings.events
    runs = in_turns([replaying(settings, count), ingesting(count)], settings.runs)
    for clock, what in (("wall", "replay against ingest: rate"), ("cpu", "… events a second of processor time")):
        rates = Comparison(*([count / getattr(one, clock) for one in each] for each in runs))
        yield compare("S8", what, "/s", rates, GOAL, at_least=True)
