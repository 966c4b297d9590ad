"""Many writers at once: R1, R14, R15."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.faults.scenario import Figures, environment, percentile, require_sound
from tests.support.project import Project

WRITERS = 16
ROOT = Path(__file__).parents[2]
LEVELS = "CASE WHEN p > 10000 THEN 3 WHEN p > 7500 THEN 2 WHEN p > 5000 THEN 1 END"


def sixteen_writers(project: Project, rng: random.Random, times: int) -> Figures:
    """16 processes fire `times` events each through the API, at once."""
    figures = Figures({"fires": WRITERS * times})
    answers = _finish([start_writer(project, number, times) for number in range(WRITERS)], figures)
    waits = [wait for answer in answers for wait in answer["seconds"]]
    figures.counts["refused"] = sum(len(answer["refused"]) for answer in answers)
    figures.counts["lost"] = WRITERS * times - len(recorded(project))
    figures.counts["worst wait (s)"] = round(max(waits, default=0.0), 2)
    figures.require("refused", [text for answer in answers for text in answer["refused"]], [])
    figures.require("lost", figures.counts["lost"], 0)
    _require_right_awards(project, figures)
    return figures


def sixteen_commands(project: Project, rng: random.Random, times: int) -> Figures:
    """16 commands at a time, under xargs, until 16 x `times` events are fired."""
    count = WRITERS * times
    figures = Figures({"fires": count})
    fire = """state='{"points": '$(( $0 * 7919 % 12000 ))'}'; exec "$@" --id "$0" --user "user$(( $0 % 50 ))" """
    command = ["sh", "-c", fire + '--state "$state" --json || echo "status $?"']
    done = subprocess.run(
        ["xargs", f"-P{WRITERS}", "-I{}", *command, "{}", *project.command("fire", "points_awarded")],
        cwd=project.directory, input="\n".join(map(str, range(count))).encode(), capture_output=True, check=False,
    )  # fmt: skip
    figures.counts["refused"] = done.stdout.count(b"status ")
    figures.counts["lost"] = count - project.sql("SELECT count(*) FROM events")[0][0]
    figures.require("refused", done.stderr.decode() if done.returncode or figures.counts["refused"] else "", "")
    figures.require("lost", figures.counts["lost"], 0)
    _require_right_awards(project, figures)
    return figures


def singles_beside_a_stream(project: Project, rng: random.Random, times: int) -> Figures:
    """4 writers fire one by one while `ingest` reads `times` lines: how long does each have to wait?"""
    lines = (
        json.dumps({"event": "points_awarded", "user": f"user{n % 1000}", "id": n, "state": {"points": n % 12000}})
        for n in range(times)
    )
    source = project.write("lines.ndjson", "\n".join(lines))
    writers = [start_writer(project, number, 0, pause=0.005) for number in range(4)]
    streamed = project.run("ingest", source, "--json")
    (project.directory / "stop").touch()
    figures = Figures({"lines": times})
    answers = _finish(writers, figures)
    waits = [wait for answer in answers for wait in answer["seconds"]]
    figures.counts |= {
        "single fires": len(waits),
        "p99 (ms)": round(percentile(waits, 0.99) * 1000),
        "worst (ms)": round(max(waits) * 1000),
    }
    figures.require("status of ingest", streamed.status, 0)
    figures.require("refused", [text for answer in answers for text in answer["refused"]], [])
    figures.require("recorded", project.sql("SELECT count(*) FROM events")[0][0], times + len(waits))
    if times > 50_000 and (percentile(waits, 0.99) > 0.15 or max(waits) > 0.5):  # of few, chance says more
        figures.broken.append(f"single fires had to wait {percentile(waits, 0.99):.2f} s (p99), {max(waits):.2f} s")
    return figures


def backups_under_writers(project: Project, rng: random.Random, times: int) -> Figures:
    """`db backup` while 4 writers fire, `times` times: each copy is sound, and holds what was acknowledged before."""
    figures = Figures({"copies": times, "bad copies": 0})
    writers = [start_writer(project, number, 0) for number in range(4)]
    while not acknowledged(project):
        pass
    for number in range(times):
        before = acknowledged(project)
        copy = project.directory / f"copy-{number}.db"
        made = project.run("db", "backup", copy)
        verified = project.run("db", "verify", "--db", copy)
        missing = before - recorded(Project(project.directory, copy)) if verified.status == 0 else before
        if (made.status, verified.status) != (0, 0) or missing:
            figures.counts["bad copies"] += 1
            figures.broken.append(f"copy {number}: {made}, {verified}, {len(missing)} acknowledged events are missing")
    (project.directory / "stop").touch()
    _finish(writers, figures)
    return figures


def start_writer(project: Project, number: int, times: int, pause: float = 0.0) -> subprocess.Popen[bytes]:
    """See `tests.faults.writer`."""
    path = ":".join([*filter(None, [environment(project).get("PYTHONPATH")]), str(ROOT)])
    return subprocess.Popen(
        [sys.executable, "-m", "tests.faults.writer", str(number), str(times), str(pause)],
        cwd=project.directory, env={**environment(project), "PYTHONPATH": path}, stdout=subprocess.PIPE,
    )  # fmt: skip


def acknowledged(project: Project) -> set[str]:
    """What writers were told is recorded. A line that is being written does not count yet."""
    whole = [file.read_text().rpartition("\n")[0] for file in project.directory.glob("acknowledged-*")]
    return {line for text in whole for line in text.split()}


def recorded(project: Project) -> set[str]:
    """What writers have recorded."""
    query = "SELECT json_extract(state, '$.writer') || '/' || json_extract(state, '$.turn') FROM events"
    return {name for (name,) in project.sql(query) if name}


def _finish(writers: list[subprocess.Popen[bytes]], figures: Figures) -> list[Any]:
    answers = [json.loads(writer.communicate()[0] or '{"refused": ["died"], "seconds": []}') for writer in writers]
    figures.require("statuses of writers", {writer.returncode for writer in writers}, {0})
    return answers


def _require_right_awards(project: Project, figures: Figures) -> None:
    """Each event has its award and its task, and each user the levels that the points were worth."""
    worth = f"""SELECT "user", {LEVELS} AS level, min(number)
        FROM (SELECT "user", number, json_extract(state, '$.points') AS p FROM events) GROUP BY 1, 2
        HAVING level IS NOT NULL ORDER BY 1, 2"""
    points = "SELECT \"user\", level, event_number FROM awards WHERE badge = 'points' ORDER BY 1, 2"
    figures.require("awards of points", project.sql(points), project.sql(worth))
    require_each_once(project, figures)
    require_sound(project, figures)


def require_each_once(project: Project, figures: Figures, finished: bool = False) -> None:
    """Of each event one award, and one task (or, when all are finished, what it awards)."""
    numbers = project.sql("SELECT number FROM events ORDER BY 1")
    query = "SELECT event_number FROM awards WHERE badge = '{}' ORDER BY 1"
    figures.require("events with their award", project.sql(query.format("each")), numbers)
    later = query.format("later") if finished else "SELECT event_number FROM tasks ORDER BY 1"
    figures.require("events with their deferred award or task", project.sql(later), numbers)
