"""S2: `ingest` where many badges are registered, and with the badges of Stack Exchange, against their bare award()."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.benchmarks import events, ingest
from tests.benchmarks.events import Event
from tests.benchmarks.measure import (
    Comparison,
    Program,
    Row,
    Settings,
    compare,
    counts_instructions,
    figure,
    in_turns,
    instructions_each,
    single,
)

GOAL = 1.3


class Load(NamedTuple):
    """Events and badges; `events` makes so many."""

    name: str
    badges: Path | str
    names: Sequence[str]
    make: Callable[[int], Iterator[Event]]
    most: int
    sizes: tuple[int, int]


def loads(settings: Settings) -> Iterator[Load]:
    """What is measured; the French site where its data is."""
    many = min(settings.events, 20_000) if not settings.full else settings.events
    yield Load(
        "32 badges, 3 listen", "many.py", events.NAMES, lambda n: events.stream(n, events.NAMES), many, (1000, 5000)
    )
    if events.FRENCH.exists():
        names = sorted({event["event"] for event in events.french()})
        yield Load(
            "Stack Exchange", events.STACK_EXCHANGE, names, events.french, min(settings.events, 21_803), (3000, 5000)
        )


class Programs(NamedTuple):
    """Ours with the badges; with one idle badge that listens to all; the plain loop; award() alone; not even that."""

    ours: Program
    base: Program
    raw: Program
    award: Program
    read: Program


def programs(settings: Settings, load: Load, count: int) -> Programs:
    """All that is compared, on so many events."""
    ours, base, raw = (events.site(settings.folder, *badges) for badges in ((load.badges,), (), (load.badges,)))
    events.listener(base, load.names)
    stream = events.write(ours / "events.ndjson", load.make(count))
    read = [sys.executable, "-m", "tests.benchmarks.raw", "award", str(stream)]
    return Programs(
        ingest.ours(ours, stream),
        ingest.ours(base, stream),
        ingest.raw(raw, stream),
        Program(ours, lambda _: [*read, "badges"]),
        Program(ours, lambda _: read),
    )


def measure(settings: Settings) -> Iterator[Row]:
    """The rows of S2."""
    for load in loads(settings):
        if counts_instructions(settings):
            yield from count_instructions(settings, load)
        each = programs(settings, load, load.most)
        ours, base, raw, award = in_turns(each[:4], settings.runs)
        limit = [one.cpu + float(other.out) for one, other in zip(base, award, strict=True)]
        scale = 1e6 / load.most
        figures = Comparison([run.cpu * scale for run in ours], [seconds * scale for seconds in limit])
        yield compare("S2", f"{load.name}: … processor time an event", "µs", figures, GOAL)
        plain = Comparison([run.cpu * scale for run in ours], [run.cpu * scale for run in raw])
        yield compare("S2", f"{load.name}: against the plain loop, processor time an event", "µs", plain)


def count_instructions(settings: Settings, load: Load) -> Iterator[Row]:
    """An event's instructions, against those of one badge that does nothing and those of the bare award() together."""
    made = {size: programs(settings, load, size) for size in load.sizes}

    def each(index: int) -> float:
        return instructions_each(lambda size: made[size][index], load.sizes)

    ours, base, raw, award, read = map(each, range(5))
    bare = award - read
    parts = f"one idle badge ({figure(base)}) and bare award() ({figure(bare)})"
    yield single("S2", f"{load.name}: against {parts}, instructions an event", "", ours, base + bare, GOAL)
    yield single("S2", f"{load.name}: against the plain loop, instructions an event", "", ours, raw)
