"""S5: `process-queue` of tasks that do nothing, against huey's consumer as it is shipped; with few and many waiting."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from functools import partial

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
    instructions_each,
    run,
    single,
)

TASKS, QUICK_TASKS = 20_000, 50
WAITING, MOST_WAITING = [2000, 20_000], 200_000
SOME = 500  # of the tasks that wait: the rate with many waiting needs not run them all
SIZES = (200, 1000)  # tasks of which instructions are counted


def ours(settings: Settings, count: int, *options: str) -> Program:
    """`process-queue` where so many tasks wait."""
    folder = events.site(settings.folder, "deferred.py")
    stream = events.write(folder / "events.ndjson", events.stream(count))
    run(ingest.ours(folder, stream))
    ingest.checkpointed(folder / "brabeion.db")
    (folder / "brabeion.db").rename(folder / "full")

    def refill() -> None:
        ingest.without(folder)
        shutil.copy(folder / "full", folder / "brabeion.db")
        os.sync()  # a commit would wait for what the copy has left to write

    return Program(folder, lambda _: [BRABEION, "process-queue", *options], refill)


def huey(settings: Settings, count: int) -> Program:
    """huey's consumer, which ends after so many tasks."""
    folder = events.site(settings.folder)
    shutil.copy(PROGRAMS / "huey_queue.py", folder)
    run(Program(folder, lambda _: [peers.executable("python"), "-c", f"import huey_queue; huey_queue.fill({count})"]))
    ingest.checkpointed(folder / "huey.db")
    (folder / "huey.db").rename(folder / "full")

    def refill() -> None:
        ingest.without(folder)
        shutil.copy(folder / "full", folder / "huey.db")
        os.sync()

    return Program(folder, lambda _: [peers.executable("huey_consumer"), "huey_queue.huey"], refill)


def measure(settings: Settings) -> Iterator[Row]:
    """The rows of S5."""
    tasks = QUICK_TASKS if settings.quick else TASKS
    kinds = [ours, huey] if settings.peers else [ours]
    if counts_instructions(settings):
        counts = [instructions_each(partial(kind, settings), SIZES) for kind in kinds]
        yield single("S5", "process-queue against huey: instructions a task", "", *counts)
    if settings.peers:
        runs = in_turns([kind(settings, tasks) for kind in kinds], settings.runs)
        rates = Comparison(*([tasks / one.wall for one in each] for each in runs))
        yield compare("S5", f"process-queue against huey: rate, {tasks:,} tasks", "/s", rates, 5.0, at_least=True)
    yield from with_many_waiting(settings)


def with_many_waiting(settings: Settings) -> Iterator[Row]:
    """How the rate of the first tasks falls with the number of those that wait behind them."""
    few, *more = [50, 100] if settings.quick else WAITING + [MOST_WAITING] * settings.full
    some = min(SOME, few)
    programs = [ours(settings, count, "--limit", str(some)) for count in (few, *more)]
    rates = [[some / one.wall for one in each] for each in in_turns(programs, settings.runs)]
    for count, of_many in zip(more, rates[1:], strict=True):
        what = f"process-queue: rate with {count:,} waiting against {few:,}"
        yield compare("S5", what, "/s", Comparison(of_many, rates[0]), 0.8, at_least=True)
