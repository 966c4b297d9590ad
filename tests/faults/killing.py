"""Commands killed, or told to end, at random moments: R2, R5, R13."""

from __future__ import annotations

import itertools
import json
import random
import signal
import subprocess
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from tests.faults.scenario import Figures, killed, no_orphans, require_same, require_sound, rows
from tests.faults.writing import require_each_once
from tests.support.project import Project

FIRE = ("fire", "points_awarded", "--user", "alice", "--state", '{"points": 8000}', "--json")
SETTLE = 10.0  # seconds in which a child that has lost its parent has ended its transaction


def killed_fires(project: Project, rng: random.Random, times: int) -> Figures:
    """`fire` killed at a random moment, then sent again with the same id where it had not answered."""
    figures = Figures({"kills": 0, "acknowledged": 0})
    # A badge that takes its time: so more of the moments are in the midst of the transaction.
    project.simple_badge(
        "time.sleep(0.05)\nreturn BadgeAwarded()", slug="each", events=["points_awarded"], multiple=True
    )
    with no_orphans(figures, SETTLE) as environment:
        for number in itertools.count():
            if figures.counts["kills"] >= times:
                break
            process = project.start(*FIRE, "--id", number, env=environment)
            time.sleep(rng.uniform(0, 0.3))
            killed(process, rng)
            out = process.communicate()[0]
            figures.counts["kills"] += process.returncode != 0
            if b'"results"' in out:
                figures.counts["acknowledged"] += 1
                if not project.sql("SELECT 1 FROM events WHERE id = ?", str(number)):
                    figures.broken.append(f"event {number} was acknowledged, and is lost")
            else:
                again = project.run(*FIRE, "--id", number, env=environment)
                figures.require(f"status of {number}, sent again", again.status, 0)
    figures.require("events", project.sql("SELECT count(*), count(DISTINCT id) FROM events"), [(number, number)])
    require_each_once(project, figures)
    require_sound(project, figures)
    return figures


TABLES = (
    "SELECT * FROM events ORDER BY number",
    'SELECT * FROM awards ORDER BY "user", badge, level, "key", occasion',
    "SELECT number, event_number, badge, state, attempts, token, error, award FROM tasks ORDER BY number",
)
LINES = 3000


def write_lines(project: Project, count: int) -> None:
    """`lines.ndjson` with events that have ids and moments: whoever reads them ends in the same rows."""
    made = (
        {"event": "points_awarded", "user": f"user{n % 97}", "at": f"2026-01-01T00:{n // 60 % 60:02}:{n % 60:02}Z",
         "id": n, "state": {"points": n * 7919 % 12000}}
        for n in range(count)
    )  # fmt: skip
    project.write("lines.ndjson", "\n".join(map(json.dumps, made)))


def killed_ingests(project: Project, rng: random.Random, times: int) -> Figures:
    """`ingest` killed and started again until it comes through: the rows are those of an undisturbed run."""
    figures = Figures({"kills": 0, "runs": 0})
    write_lines(project, LINES if times < 10 else 10 * LINES)  # so many that several kills hit one run
    undisturbed, seconds = _undisturbed(project, ["ingest", "lines.ndjson"])
    with no_orphans(figures, SETTLE) as environment:
        while figures.counts["kills"] < times:
            figures.counts["runs"] += 1
            project.db = project.directory / f"disturbed-{figures.counts['runs']}.db"
            for patience in itertools.count(10):  # a little longer each time, so that it comes to an end
                process = project.start("ingest", "lines.ndjson", "--db", project.db, env=environment)
                _wait(process, rng.uniform(0.2, 0.9) * seconds * patience / 10)
                if process.poll() is None:
                    figures.counts["kills"] += 1
                    killed(process, rng)
                process.communicate()
                if process.returncode == 0:
                    break
            require_same(rows(project, *TABLES), undisturbed, figures)
            require_sound(project, figures)
    return figures


class Work(NamedTuple):
    """A command that may be ended at any time: what prepares it, and what is the same however often it was."""

    before: Sequence[Sequence[str]]
    command: Sequence[str]
    same: Sequence[str]


ENDED = {
    "ingest": Work([], ["ingest", "lines.ndjson"], TABLES),
    "process-queue": Work(
        [["ingest", "lines.ndjson"]],
        ["process-queue", "--workers", "2"],
        ['SELECT "user", badge, event_number FROM awards ORDER BY 1, 2, 3', "SELECT count(*) FROM tasks"],
    ),
    "replay": Work([["ingest", "lines.ndjson"]], ["replay", "--badges", "more"], TABLES),
}
STATUS = {signal.SIGINT: (130, -signal.SIGINT), signal.SIGTERM: (143, -signal.SIGTERM)}  # negative: not yet at work


def ended_by_signals(project: Project, rng: random.Random, times: int) -> Figures:
    """SIGTERM or SIGINT at a random moment, `times` for each of three commands, then run to the end."""
    figures = Figures({"signals": 0, "came too late": 0})
    project.badge(MORE, "../more/more.py")
    body = "time.sleep(0.01)\nreturn BadgeAwarded()"
    project.simple_badge(body, slug="later", events=["points_awarded"], multiple=True, async_=True)
    write_lines(project, LINES // 10 if times > 2 else LINES // 30)
    for work in ENDED.values():
        undisturbed, seconds = _undisturbed(project, *work.before, work.command, queries=work.same)
        left = times
        while left > 0:
            project.db = project.directory / f"{work.command[0]}-{left}.db"
            for command in work.before:
                project.ok(*command, "--db", project.db)
            for _ in range(min(left, 10)):
                left -= 1
                signals = rng.choice([[signal.SIGINT], [signal.SIGTERM], [signal.SIGTERM, signal.SIGINT]])
                _end_once(project, work, rng.uniform(0, seconds), signals, figures)
            project.ok(*work.command, "--db", project.db)
            require_same(rows(project, *work.same), undisturbed, figures)
            require_sound(project, figures)
    return figures


MORE = """
    from brabeion_cli import badges
    from brabeion_cli.base import CountBadge

    @badges.register
    class Counted(CountBadge):
        slug = "counted"
        levels = ["One", "Two", "Three"]
        events = ["points_awarded"]
        thresholds = [1, 2, 3]
"""


def _end_once(
    project: Project, work: Work, seconds: float, signals: Sequence[signal.Signals], figures: Figures
) -> None:
    number = signals[0]
    with no_orphans(figures) as environment:
        process = project.start(*work.command, "--db", project.db, env=environment)
        _wait(process, seconds)
        for each in signals:
            process.send_signal(each)
        try:
            out, err = process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            figures.broken.append(f"{work.command[0]} does not end by {number.name}")
            process.kill()
            return
    figures.counts["signals"] += 1
    if process.returncode == 0:
        figures.counts["came too late"] += 1
    elif not any(process.returncode in STATUS[each] for each in signals) and not _before_us(err):
        figures.broken.append(f"{work.command[0]}, {number.name}: status {process.returncode}, {err!r:.300}")
    if b"Traceback" in err and not _before_us(err):
        figures.broken.append(f"{work.command[0]}, {number.name}: {err!r:.300}")
    if project.db.exists() and work.before:
        held = project.sql("SELECT count(*) FROM tasks WHERE token IS NOT NULL")[0][0]
        figures.require(f"tasks still held after {number.name}", held, 0)
    said = json.loads(out)["recorded"] if out.startswith(b"{") and work.command[0] == "ingest" else 0
    if said and project.sql("SELECT count(*) FROM events")[0][0] < said:
        figures.broken.append("ingest said that more was recorded than is there")


def _before_us(err: bytes) -> bool:
    """Whether Python was ended while it started, before any line of ours could run."""
    return b"Traceback" in err and b"brabeion_cli/cli/app.py" not in err


def _undisturbed(
    project: Project, *commands: Sequence[str], queries: Sequence[str] = TABLES
) -> tuple[list[Any], float]:
    """The rows that an undisturbed run ends in, and how long the last command took."""
    project.db = project.directory / f"undisturbed-{commands[-1][0]}.db"
    for command in commands:
        started = time.monotonic()
        process = project.start(*command, "--db", project.db)  # which takes as long as those that are killed
        process.communicate()
        assert process.returncode == 0
    return rows(project, *queries), time.monotonic() - started


def _wait(process: subprocess.Popen[bytes], seconds: float) -> None:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return
