"""The events that are measured with, always the same ones; and the badges that listen to them."""

from __future__ import annotations

import gzip
import json
import random
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from tests.benchmarks.measure import BADGES, ROOT

Event = dict[str, Any]

MOST_USERS, EVENTS_OF_USER = 10_000, 100  # so that a stream of any length earns as many awards an event
BEGINNING, STEP = datetime(2026, 1, 1), timedelta(seconds=25)
NAMES = [f"event_{number:02}" for number in range(32)]  # as in badge_files/many.py
FRENCH = ROOT.parent / "shared" / "stackexchange" / "french-meta" / "events.ndjson.gz"
STACK_EXCHANGE = ROOT / "badges" / "stackexchange"
POINTS = ROOT / "badges" / "points.py"


def stream(count: int, names: Iterable[str] = ("points_awarded",)) -> Iterator[Event]:
    """Events in the order of their moments, with an id and five fields each; a user's points grow."""
    draw = random.Random(1)
    names = [*names]
    users = max(1, min(MOST_USERS, count // EVENTS_OF_USER))
    points = [0] * users
    for number in range(count):
        user = draw.randrange(users)
        points[user] += draw.randrange(240)
        state = {
            "points": points[user],
            "source": draw.choice(("answer", "question", "edit", "réponse")),
            "post": draw.randrange(1_000_000),
            "weight": draw.randrange(1000) / 8,
            "own": draw.random() < 0.25,
        }
        yield {
            "event": names[0] if len(names) == 1 else draw.choice(names),
            "user": f"user-{user}",
            "at": as_recorded(BEGINNING + STEP * number),
            "id": f"event-{number}",
            "state": state,
        }


def french(count: int | None = None) -> Iterator[Event]:
    """The events of the French site, or the first so many, with moments as they are recorded."""
    with gzip.open(FRENCH, "rt") as file:
        for _, line in zip(range(count) if count is not None else iter(int, 1), file, strict=False):
            event = json.loads(line)
            moment = datetime.fromisoformat(event["at"]).replace(tzinfo=None)
            yield {**event, "at": as_recorded(moment)}


def as_recorded(moment: datetime) -> str:
    """A moment as the journal has it."""
    return moment.isoformat(timespec="microseconds") + "Z"


def write(path: Path, events: Iterable[Event]) -> Path:
    """Write a stream that `ingest` reads."""
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(json.dumps(event, ensure_ascii=False, separators=(",", ":")) + "\n" for event in events)
    return path


def site(parent: Path, *badges: str | Path) -> Path:
    """A new folder to run commands in, with a folder of badges: files of ours by name, others by path."""
    folder = Path(tempfile.mkdtemp(dir=parent))
    (folder / "badges").mkdir()
    for badge in badges:
        path = BADGES / badge
        if path.is_dir():
            shutil.copytree(path, folder / "badges", dirs_exist_ok=True)
        else:
            shutil.copy(path, folder / "badges")
    return folder


def listener(folder: Path, names: Iterable[str]) -> Path:
    """Add a badge that listens to events of those names and is never earned."""
    text = (BADGES / "nothing.py").read_text()
    path = folder / "badges" / "nothing.py"
    path.write_text(text.replace('["it_happened"]', repr([*names])))
    return path
