"""What a scenario is, and what all of them need: a project with badges, processes to kill, figures."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from brabeion_cli.database import integrity
from brabeion_cli.store.store import open_store
from tests.support.badge_texts import POINTS
from tests.support.project import Project

MARK = "FAULT_RUN"  # a variable that all processes of a run carry, so that orphans can be told


@dataclass
class Figures:
    """What a scenario did (`counts`), and what was not as promised (`broken`)."""

    counts: dict[str, float] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)

    def require(self, what: str, found: object, wanted: object) -> None:
        """Note it where what was found is not what is promised."""
        if found != wanted:
            self.broken.append(f"{what}: {found!r:.200}, not {wanted!r:.200}")


class Scenario(NamedTuple):
    """`run` is called with an empty project, a source of chance, and how many times to do it.

    That is `quick` times in the quick suite, `long` times by `pytest -m long` and with `--long`, else `full` times.
    """

    name: str
    title: str
    run: Callable[[Project, random.Random, int], Figures]
    quick: int
    long: int
    full: int


def make_project(folder: Path) -> Project:
    """A project whose badges show what was lost or doubled: one with levels, one for each event, one deferred."""
    folder.mkdir(parents=True, exist_ok=True)
    project = Project(folder)
    project.badge(POINTS, "points.py")
    project.simple_badge("return BadgeAwarded()", slug="each", events=["points_awarded"], multiple=True)
    project.simple_badge("return BadgeAwarded()", slug="later", events=["points_awarded"], multiple=True, async_=True)
    return project


def killed(process: subprocess.Popen[bytes], rng: random.Random, *, child: bool = False) -> None:
    """kill -9: of the command, or of it and the process that works for it; with `child` perhaps of that one alone
    (which in `fire` and `ingest` looks like the doing of the badge that was running).
    """
    work = children_of(process.pid)
    ways = [[process.pid], [process.pid, *work], *([work] if child else [])]
    for pid in rng.choice(ways):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def children_of(pid: int) -> list[int]:
    """The processes that a process has started and not yet waited for."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


@contextlib.contextmanager
def no_orphans(figures: Figures, patience: float = 3.0) -> Iterator[dict[str, str]]:
    """An environment for processes of the block, none of which may be there when it has ended."""
    mark = uuid.uuid4().hex
    yield {**os.environ, MARK: mark}
    deadline = time.monotonic() + patience
    while (left := _carrying(mark)) and time.monotonic() < deadline:
        time.sleep(0.05)
    figures.require("processes left behind", left, [])
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _carrying(mark: str) -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark.encode() in (folder / "environ").read_bytes():
                found.append(int(folder.name))
    return found


def require_sound(project: Project, figures: Figures) -> None:
    """The store passes `db verify`."""
    with open_store(str(project.db)) as store:
        figures.broken += [f"db verify: {problem}" for problem in integrity.problems(store.database)]


def rows(project: Project, *queries: str) -> list[Any]:
    """The answers of some queries, to compare two stores by."""
    return [project.sql(query) for query in queries]


def require_same(found: list[Any], wanted: list[Any], figures: Figures) -> None:
    """Two stores have the same rows; where not, the first that differ are named."""
    for mine, theirs in zip(found, wanted, strict=True):
        figures.require("number of rows", len(mine), len(theirs))
        differing = next((pair for pair in zip(mine, theirs, strict=False) if pair[0] != pair[1]), None)
        if differing is not None:
            figures.require("a row", *differing)


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which that share of all lies; nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def environment(project: Project) -> Mapping[str, str]:
    """For processes that use the API instead of the command."""
    return {**os.environ, "BRABEION_DB": str(project.db), "BRABEION_BADGES": str(project.directory / "badges")}
