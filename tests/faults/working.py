"""`process-queue` killed and stopped while it works: R3, R4."""

from __future__ import annotations

import random
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from brabeion_cli.queue.dispatcher import SLACK
from brabeion_cli.sandbox.process import GRACE
from tests.faults.scenario import Figures, killed, no_orphans, require_sound
from tests.faults.writing import require_each_once
from tests.support.processes import PATIENCE
from tests.support.project import Project

BEYOND = GRACE + SLACK  # seconds by which a lease is longer than a task may run
PER_KILL = 4  # tasks
AT_ONCE = 10
SILENT = dict.fromkeys(["stdin", "stdout", "stderr"], subprocess.DEVNULL)
LONG_AGO = "2000-01-01T00:00:00.000000Z"


def killed_workers(project: Project, rng: random.Random, times: int) -> Figures:
    """4 workers are killed `times` times over four times as many tasks, then the queue is drained within two leases.

    With few kills the leases are not waited for, but brought to their end; then only an order of events is tried.
    """
    figures = Figures({"tasks": PER_KILL * times, "kills": 0})
    _queue(project, PER_KILL * times, "time.sleep(0.04)\nreturn BadgeAwarded()", 2)
    with no_orphans(figures) as environment:
        workers: list[subprocess.Popen[bytes]] = []
        while figures.counts["kills"] < times:
            workers = [worker for worker in workers if worker.poll() is None]
            while len(workers) < 4:
                workers.append(project.start("process-queue", **SILENT, env=environment))
            time.sleep(rng.uniform(0.02, 0.15))
            victim = rng.choice(workers)
            if victim.poll() is None:
                figures.counts["kills"] += 1
                killed(victim, rng, child=True)
        for worker in workers:
            worker.kill()
            worker.wait()
        is_full = times >= 100
        until = time.monotonic() + (2 * (2 + BEYOND) if is_full else PATIENCE)
        while project.sql("SELECT 1 FROM tasks LIMIT 1") and time.monotonic() < until:
            if not is_full:
                project.sql("UPDATE tasks SET due_at = ? WHERE token IS NOT NULL", LONG_AGO)
            project.run("process-queue", "--workers", 4, env=environment)
            time.sleep(0.1)
    figures.counts["stuck"] = project.sql("SELECT count(*) FROM tasks")[0][0]
    figures.require("tasks left after two leases", figures.counts["stuck"], 0)
    require_each_once(project, figures, finished=True)
    require_sound(project, figures)
    return figures


def stopped_workers(project: Project, rng: random.Random, times: int) -> Figures:
    """Workers are stopped past their lease; others take their tasks over; the first go on while the others judge.

    With few workers the leases are not waited for, but brought to their end.
    """
    figures = Figures({"workers": times, "told": 0, "doubled": 0})
    for begin in range(0, times, AT_ONCE):
        _stop_some(project, min(AT_ONCE, times - begin), times > AT_ONCE, figures)
    require_each_once(project, figures, finished=True)
    require_sound(project, figures)
    return figures


def _stop_some(project: Project, count: int, wait: bool, figures: Figures) -> None:
    _queue(project, count, "while not os.path.exists(os.environ['GO']): time.sleep(0.02)\nreturn BadgeAwarded()", 20)
    one = ("process-queue", "--limit", 1)
    with no_orphans(figures) as environment, tempfile.TemporaryDirectory() as folder:
        first, second = Path(folder, "first"), Path(folder, "second")
        stopped = [project.start(*one, env={**environment, "GO": str(first)}) for _ in range(count)]
        _await(lambda: len(_tokens(project)) == count)
        for worker in stopped:
            worker.send_signal(signal.SIGSTOP)
        first.touch()
        tokens = _tokens(project)
        if wait:
            time.sleep(20 + BEYOND + 1)
        else:
            project.sql("UPDATE tasks SET due_at = ?", LONG_AGO)
        others = [project.start(*one, env={**environment, "GO": str(second)}) for _ in range(count)]
        _await(lambda: len(_tokens(project) - tokens) == count)
        for worker in stopped:
            worker.send_signal(signal.SIGCONT)
        said = [worker.communicate()[1] for worker in stopped]
        second.touch()
        answers = [worker.communicate() for worker in others]
    told = sum(b"its lease ran out" in text for text in said)
    done = sum(b"1 done, 1 awarded" in out for out, _ in answers)
    figures.counts["told"] += told
    figures.counts["doubled"] += count - done
    figures.require("stopped workers that are told", (told, said), (count, said))
    figures.require("tasks finished by the worker that holds them", (done, answers), (count, answers))


def _tokens(project: Project) -> set[str]:
    return {token for (token,) in project.sql("SELECT token FROM tasks WHERE token IS NOT NULL")}


def _queue(project: Project, tasks: int, body: str, timeout: float) -> None:
    project.write("brabeion.toml", f"task_timeout = {timeout}\nmax_attempts = 1000\nretry_delay = 0.2\n")
    project.simple_badge(body, slug="later", events=["points_awarded"], multiple=True, async_=True)
    line = '{{"event": "points_awarded", "user": "u{0}", "state": {{"points": 1}}}}\n'
    project.ok("ingest", stdin="".join(line.format(n) for n in range(tasks)))


def _await(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
