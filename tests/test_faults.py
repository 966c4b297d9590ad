"""Nothing lost, nothing doubled: many at once, and killed at random."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest

from tests.conftest import POINTS, Project

FIRE = ("fire", "points_awarded", "--user", "alice", "--state", '{"points": 8000}')


@pytest.fixture
def points(project: Project) -> Project:
    project.badge(POINTS)
    return project


@pytest.mark.parametrize("number", range(3))
def test_sixteen_first_fires_at_once(points: Project, number: int) -> None:
    # Without the wait in Database.execute_sql about half of these runs refuse one event or more.
    processes = [points.start(*FIRE, "--id", n) for n in range(16)]
    results = [process.communicate() for process in processes]

    assert [process.returncode for process in processes] == [0] * 16, results
    assert points.sql("SELECT count(*) FROM events") == [(16,)]
    assert points.sql('SELECT "user", badge, level FROM awards') == [("alice", "points", 2)]
    assert sum(b"earned" in out for out, _ in results) == 1
    assert sum(b"created" in err for _, err in results) == 1


def test_killed_at_random_nothing_acknowledged_is_lost_and_nothing_doubled(points: Project) -> None:
    points.simple_badge("return BadgeAwarded()", slug="each", events=["points_awarded"], multiple=True)
    points.simple_badge("return BadgeAwarded()", slug="later", events=["points_awarded"], async_=True)
    rng = random.Random(20261122)
    for number in range(30):
        process = points.start(*FIRE, "--id", number, "--json")
        time.sleep(rng.uniform(0, 0.35))
        process.kill()
        out, _ = process.communicate()
        if b'"results"' in out:
            assert (str(number),) in points.sql("SELECT id FROM events")
        else:
            points.ok(*FIRE, "--id", number)

    deadline = time.monotonic() + 10  # a child may outlive its killed parent by the transaction it is in
    while points.sql("PRAGMA integrity_check") != [("ok",)] and time.monotonic() < deadline:
        time.sleep(0.1)
    assert points.sql("SELECT count(*) FROM events") == [(30,)]
    assert points.sql("SELECT badge, count(*) FROM awards GROUP BY 1 ORDER BY 1") == [("each", 30), ("points", 1)]
    assert points.sql("SELECT count(DISTINCT event_number) FROM awards") == [(30,)]
    assert points.sql("SELECT count(*), count(DISTINCT event_number) FROM tasks") == [(30, 30)]
    assert "is sound" in points.ok("db", "verify").out


def test_workers_killed_at_random_finish_every_task_once(points: Project) -> None:
    points.simple_badge(
        "time.sleep(0.01)\nreturn BadgeAwarded(key=state['n'])", slug="later", async_=True, multiple=True
    )
    points.ok(
        "ingest", stdin="".join(f'{{"event": "it_happened", "user": "u", "state": {{"n": {n}}}}}\n' for n in range(100))
    )
    rng = random.Random(20261122)
    for _ in range(8):
        process = points.start("process-queue", "--workers", 2)
        time.sleep(rng.uniform(0.2, 0.5))
        process.kill()
        process.communicate()
        # The leases of the killed worker, brought to their end.
        points.sql("UPDATE tasks SET due_at = '2000-01-01T00:00:00.000000Z', attempts = 0 WHERE token IS NOT NULL")

    points.ok("process-queue", "--workers", 2)

    assert points.sql("SELECT count(*) FROM tasks") == [(0,)]
    assert points.sql('SELECT count(*), count(DISTINCT "key") FROM awards') == [(100, 100)]


def test_a_killed_command_leaves_no_process_behind(points: Project) -> None:
    points.simple_badge(
        "open('pid', 'w').write(str(os.getpid()))\ntime.sleep(0.5)", slug="slow", events=["points_awarded"]
    )
    pid = points.directory / "pid"
    process = points.start(*FIRE)
    while not pid.exists() or not pid.read_text():
        time.sleep(0.02)
    process.kill()
    process.communicate()

    for _ in range(100):
        try:
            os.kill(int(pid.read_text()), 0)
        except ProcessLookupError:
            return
        stat = Path(f"/proc/{pid.read_text()}/stat")
        if stat.exists() and stat.read_text().rpartition(")")[2].split()[0] in "ZX":
            return  # ended; its new parent has not looked yet
        time.sleep(0.1)
    pytest.fail("the child lives on")
