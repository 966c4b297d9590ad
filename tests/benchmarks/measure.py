"""Runs programs in turns and compares them: medians of times, instructions under valgrind, rows for the table.

Instructions are those of all processes of a program, counted with `valgrind --tool=callgrind`. Python's hash seed is
fixed, so that they hardly differ from run to run, whatever else the machine does.
"""

from __future__ import annotations

import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PROGRAMS = Path(__file__).parent / "programs"
BADGES = Path(__file__).parent / "badge_files"
BRABEION = str(Path(sys.executable).with_name("brabeion"))
VALGRIND = shutil.which("valgrind")
#: A forked child starts with its parent's count; from here on it has its own.
CALLGRIND = ["--tool=callgrind", "--trace-children=yes", "--zero-before=PyOS_AfterFork_Child"]


class Settings(NamedTuple):
    """How much to measure; `folder` is where, and empty at first."""

    folder: Path
    events: int = 100_000
    runs: int = 5
    quick: bool = False
    full: bool = False
    peers: bool = True
    instructions: bool = True


class Program(NamedTuple):
    """A process to measure, in its folder. `command` tells its arguments in each round; `before` prepares the round and
    is not measured.
    """

    folder: Path
    command: Callable[[int], list[str]]
    before: Callable[[], object] = lambda: None


class Run(NamedTuple):
    """Seconds of the wall clock and of the processors, and what was printed on stdout."""

    wall: float
    cpu: float
    out: str


class Comparison(NamedTuple):
    """Figures of ours and of a reference, from rounds in which one ran after the other."""

    ours: list[float]
    reference: list[float]

    @property
    def ratio(self) -> float:
        """That of the medians."""
        return statistics.median(self.ours) / statistics.median(self.reference)

    @property
    def spread(self) -> str:
        """The least and the greatest ratio of a round."""
        ratios = [ours / reference for ours, reference in zip(self.ours, self.reference, strict=True)]
        return f"{min(ratios):.2f}–{max(ratios):.2f}"


class Row(NamedTuple):
    """A line of the table. `goal` is what the ratio is to be: at most, or with `at_least` no less than that."""

    name: str
    what: str
    ours: str
    reference: str = "–"
    ratio: float | None = None
    goal: float | None = None
    at_least: bool = False
    spread: str = "–"

    @property
    def verdict(self) -> str:
        """Whether the goal is met; nothing where there is none."""
        if self.goal is None or self.ratio is None:
            return ""
        return "met" if (self.ratio >= self.goal if self.at_least else self.ratio <= self.goal) else "not met"


def environment(**more: str) -> dict[str, str]:
    """That of a measured process: no configuration of the person who runs it, and modules compiled only once."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("BRABEION_", "PYTHON"))}
    return {**kept, "PYTHONHASHSEED": "0", "PYTHONPATH": str(ROOT), **more}


def run(program: Program, turn: int = 0) -> Run:
    """Run a program once. Raises `RuntimeError` with what it said where it fails."""
    program.before()
    command = program.command(turn)
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as complaints:
        start = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=program.folder, stdin=subprocess.DEVNULL, stdout=out, stderr=complaints,
            env=environment(),
        )  # fmt: skip
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        for stream in (out, complaints):
            stream.seek(0)
        if process.returncode:
            raise RuntimeError(f"{command} ended with {process.returncode}: {complaints.read()}")
        return Run(wall, usage.ru_utime + usage.ru_stime, out.read())


def in_turns(programs: Sequence[Program], runs: int) -> list[list[Run]]:
    """Run all programs once in each round, so that noise hits all the same; the runs of each program."""
    rounds = [[run(program, turn) for program in programs] for turn in range(runs)]
    return [list(each) for each in zip(*rounds, strict=True)]


def instructions(program: Program, turn: int = 0) -> int:
    """How many instructions a program takes, with all its processes."""
    program.before()
    command = program.command(turn)
    if command[0] == BRABEION:
        command = [sys.executable, str(PROGRAMS / "slowed.py"), *command[1:]]
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [str(VALGRIND), *CALLGRIND, f"--callgrind-out-file={folder}/%p", *command],
            cwd=program.folder, stdin=subprocess.DEVNULL, env=environment(), capture_output=True,
            text=True, check=False,
        )  # fmt: skip
        counts = [re.findall(r"^summary: (\d+)", path.read_text(), re.MULTILINE) for path in Path(folder).iterdir()]
    if done.returncode or not counts or not all(counts):
        raise RuntimeError(f"{command} ended with {done.returncode}: {done.stderr}")
    return sum(int(found[-1]) for found in counts)


def instructions_each(program: Callable[[int], Program], sizes: tuple[int, int]) -> float:
    """How many instructions one more event takes: the difference between two sizes, so that start-up drops out."""
    small, large = (instructions(program(size)) for size in sizes)
    return (large - small) / (sizes[1] - sizes[0])


def counts_instructions(settings: Settings) -> bool:
    """Whether instructions are wanted and can be counted."""
    return settings.instructions and VALGRIND is not None


def figure(value: float, unit: str = "") -> str:
    """A figure for people."""
    text = f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
    return f"{text} {unit}".rstrip()


def compare(
    name: str,
    what: str,
    unit: str,
    figures: Comparison,
    goal: float | None = None,
    *,
    at_least: bool = False,
) -> Row:
    """The row of a comparison: medians, their ratio, and how far the ratios of the rounds spread."""
    ours, reference = (figure(statistics.median(values), unit) for values in figures)
    return Row(name, what, ours, reference, figures.ratio, goal, at_least, figures.spread)


def single(
    name: str, what: str, unit: str, ours: float, reference: float | None = None, goal: float | None = None
) -> Row:
    """The row of figures that hardly differ from run to run, such as instructions."""
    if reference is None:
        return Row(name, what, figure(ours, unit))
    return Row(name, what, figure(ours, unit), figure(reference, unit), ours / reference, goal)
