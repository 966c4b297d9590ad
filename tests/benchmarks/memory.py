"""S3: the most memory that `ingest` and `replay` take, for few events and for many.

It is the proportional set size (Pss) of all processes of a command together: private pages, and a share of
those that are shared.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks import ingest, replay
from tests.benchmarks.measure import Program, Row, Settings, environment, figure

FEW = 1000  # events, at the start so to speak: one batch
GOAL = 20.0  # MB beyond that
PAUSE = 0.02  # seconds between two looks


def peak(program: Program) -> float:
    """The most memory that a program takes, in MB."""
    program.before()
    most = 0
    process = subprocess.Popen(
        program.command(0), cwd=program.folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, env=environment(),
    )  # fmt: skip
    while process.poll() is None:
        most = max(most, sum(proportional(pid) for pid in family(process.pid)))
        time.sleep(PAUSE)
    if process.returncode:
        raise RuntimeError(f"{program.command(0)} ended with {process.returncode}")
    return most / 1000


def family(pid: int) -> Iterator[int]:
    """A process and all that descend from it."""
    yield pid
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return
    for child in children:
        yield from family(int(child))


def proportional(pid: int) -> int:
    """A process's Pss in kB; 0 where it has ended meanwhile."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    found = re.search(r"^Pss: +(\d+)", text, re.MULTILINE)
    return int(found[1]) if found else 0


def measure(settings: Settings) -> Iterator[Row]:
    """The rows of S3; none where there is no /proc."""
    if not Path("/proc/self/smaps_rollup").exists():
        return
    few = min(FEW, settings.events // 2)
    sizes = [few, *sorted({size for size in (settings.events // 10, settings.events) if size > few})]
    make = ingest.prepared(settings, ingest.ours)
    for name, peaks in (
        ("ingest", [peak(make(size)) for size in sizes]),
        ("replay", [peak(replay.replaying(settings, size)) for size in sizes]),
    ):
        for size, most in zip(sizes[1:], peaks[1:], strict=True):
            what = f"{name}: most memory, {size:,} events against {few:,}; MB more"
            yield Row("S3", what, figure(most, "MB"), figure(peaks[0], "MB"), most - peaks[0], GOAL)
