"""`process-queue` runs tasks in batches: few commits for quick ones, and all else as if each ran by itself."""

from __future__ import annotations

import json
import signal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from brabeion_cli.cli import options
from brabeion_cli.domain import timestamps
from brabeion_cli.domain.grants import Grant
from brabeion_cli.domain.outcomes import Failure
from brabeion_cli.domain.timeline import JournalEntry
from brabeion_cli.project import config
from brabeion_cli.project.config import Config
from brabeion_cli.queue.dispatcher import Dispatcher
from brabeion_cli.queue.messages import AnsweredTask, Evaluated, NotStarted, StopFlag
from brabeion_cli.queue.worker_process import WorkerProcess
from brabeion_cli.queue.worker_slot import MAX_BATCH, State, WorkerSlot, next_size
from brabeion_cli.sandbox.channel import Channel
from brabeion_cli.sandbox.process import ChildProcess
from brabeion_cli.store import task_queue
from brabeion_cli.store.store import Store, open_store
from brabeion_cli.store.task_queue import ClaimedTask
from tests.support.costs import steps
from tests.support.moments import NOW
from tests.support.processes import wait_until
from tests.support.project import Project
from tests.support.tasks import COUNTS, add_tasks, claim, queue_tasks

MANY = 700  # tasks: some batches of the largest size, after those that grow
WAIT = "while not os.path.exists('go'): time.sleep(0.02)"
SLOW = 40  # a task in the middle of a batch of 32


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
@pytest.mark.parametrize("user", ["alice", "u{n}"], ids=["of one user", "of many users"])
def test_quick_tasks_share_their_commits(project: Project, user: str) -> None:
    queue_tasks(project, "return None", count=MANY, user=user)
    statements: list[str] = []
    with open_store(str(project.db)) as store:
        settings = config.resolve(config.Options(db=str(project.db)), {}, str(project.directory))
        reports = Dispatcher(settings, store, now=options.now).run()
        next(reports)
        store.database.raw().set_trace_callback(statements.append)
        assert sum(1 for _ in reports) == MANY - 1

    assert statements.count("COMMIT") <= MANY / 20


@pytest.mark.parametrize("earning", [(2, 3, 200), (454, 455)])  # the last of a batch, the first of the next
def test_tasks_of_one_user_see_what_those_before_them_earned(project: Project, earning: tuple[int, ...]) -> None:
    queue_tasks(
        project,
        f"if state['n'] in {earning}: return BadgeAwarded(key=str(state['history'].count('badge_awarded')))",
        count=MANY,
        user="alice",
    )
    assert project.ok("process-queue", "--json").json == COUNTS | {"done": MANY, "awarded": len(earning)}
    assert project.sql('SELECT event_number - 1 FROM awards ORDER BY "key"') == [(n,) for n in earning]


@pytest.mark.parametrize(("slow", "count"), [(SLOW, 64), pytest.param(300, MANY, marks=pytest.mark.long)])
def test_others_need_not_wait_behind_a_slow_task(project: Project, slow: int, count: int) -> None:
    queue_tasks(project, f"if state['n'] == {slow}:\n    open('started', 'w').close()\n    {WAIT}", count)
    first = project.start("process-queue", "--json")

    def others_are_done() -> bool:
        project.ok("process-queue")
        return project.sql("SELECT number FROM tasks") == [(slow + 1,)]

    try:
        wait_until((project.directory / "started").exists)
        wait_until(others_are_done)
    finally:
        (project.directory / "go").touch()
        out, _ = first.communicate(timeout=20)
    assert json.loads(out)["remaining"] == 0


def test_a_task_that_kills_its_runner_takes_no_other_with_it(project: Project) -> None:
    project.write("brabeion.toml", "max_attempts = 2\nretry_delay = 0\n")
    queue_tasks(project, f"if state['n'] == {SLOW}: os._exit(3)\nreturn BadgeAwarded()", count=64, multiple=True)

    result = project.run("process-queue", "--json")

    assert result.json == COUNTS | {"done": 63, "awarded": 63, "retried": 1, "dead": 1}


def test_a_signal_gives_the_rest_of_a_batch_back(project: Project) -> None:
    queue_tasks(
        project, f"if state['n'] == {SLOW}:\n    open('started', 'w').close()\n    time.sleep(0.5)", count=64
    )  # fmt: skip
    tasks = project.sql(f"SELECT * FROM tasks WHERE number > {SLOW + 1}")
    process = project.start("process-queue", "--json")
    wait_until((project.directory / "started").exists)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=20)

    assert json.loads(out) == COUNTS | {"done": SLOW + 1, "remaining": 64 - SLOW - 1}
    assert project.sql("SELECT * FROM tasks") == tasks


def test_no_task_begins_after_max_time(project: Project) -> None:
    # The time is over when the slow task ends, whenever it begins. On a busy machine it does not begin.
    body = f"if state['n'] == {SLOW}:\n    time.sleep(1.1)\nif state['n'] > {SLOW}: return BadgeAwarded()"
    queue_tasks(project, body, count=64, multiple=True)

    done = project.ok("process-queue", "--json", "--max-time", 1).json["done"]

    assert done <= SLOW + 1
    assert project.sql("SELECT count(*) FROM tasks") == [(64 - done,)]
    assert project.sql("SELECT count(*) FROM awards") == [(0,)]


def test_receivers_hear_of_all_awards_of_a_batch(project: Project) -> None:
    queue_tasks(project, "return BadgeAwarded()", count=64)
    project.badge(
        "import os\nfrom brabeion_cli.signals import badge_awarded\n\n@badge_awarded.connect\n"
        "def receive(sender, badge_award, **kwargs):\n"
        "    print('heard of', badge_award.user)\n    if badge_award.user == 'u40': os._exit(1)\n",
        "receiver.py",
    )

    result = project.ok("process-queue")

    heard = [line.split()[-1] for line in result.err.splitlines() if line.startswith("heard of")]
    assert sorted(heard) == sorted(f"u{n}" for n in range(64))
    assert result.err.count("a receiver of badge_awarded did not return") == 1


@pytest.mark.long
def test_receivers_have_their_time_for_each_award(project: Project) -> None:
    project.write("brabeion.toml", "task_timeout = 1\n")
    awards = "BadgeAwarded.several(BadgeAwarded(key=str(n)) for n in range(8))"
    queue_tasks(project, f"return {awards}", count=1)
    project.badge(
        "import time\nfrom brabeion_cli.signals import badge_awarded\n\n@badge_awarded.connect\n"
        "def receive(sender, badge_award, **kwargs):\n    time.sleep(0.5)\n    print('heard of', badge_award.key)\n",
        "receiver.py",
    )

    result = project.ok("process-queue")  # which takes longer than one receiver may

    assert result.err.count("heard of") == 8
    assert "did not return" not in result.err


def test_what_was_tried_before_is_claimed_alone(store: Store) -> None:
    add_tasks(store, 5)
    store.database.execute_sql("UPDATE tasks SET attempts = 1 WHERE number IN (1, 4)")

    assert [[task.number for task in claim(store, limit=9).tasks] for _ in range(5)] == [[1], [2, 3], [4], [5], []]


def test_what_is_given_back_keeps_its_turn(store: Store) -> None:
    add_tasks(store, 5)
    tasks = claim(store, limit=3).tasks

    task_queue.give_back(store, tasks[1:])

    assert [task.number for task in claim(store, seconds=1, limit=9).tasks] == [2, 3, 4, 5]


def test_large_states_make_small_batches(store: Store) -> None:
    add_tasks(store, 3, text=json.dumps({"text": "x" * 600_000}))

    assert [len(claim(store, limit=9).tasks) for _ in range(4)] == [1, 1, 1, 0]


def answered(*answers: Any) -> list[AnsweredTask]:
    task = ClaimedTask(1, "t", "one", 1, None, None, "2026", JournalEntry(1, "e", "u", "2026", None, "{}"))
    return [AnsweredTask(task, answer) for answer in answers]


@pytest.mark.parametrize(
    ("answers", "seconds", "size"),
    [
        ([Evaluated([])], 0.001, 2),
        ([Evaluated([])] * 4, 0.001, 8),
        ([Evaluated([])] * MAX_BATCH, 0.01, MAX_BATCH),
        ([Evaluated([])] * MAX_BATCH, 0.2, MAX_BATCH / 2),
        ([Evaluated([])], 0.09, 1),
        ([Evaluated([])] * 8, 5.0, 1),
        ([Evaluated([]), NotStarted(), NotStarted()], 0.001, 2),
        ([Evaluated([]), Failure("odd"), Evaluated([])], 0.001, 1),
        ([NotStarted()], 0.001, 1),
    ],
)
def test_batches_grow_as_long_as_tasks_are_quick(answers: list[Any], seconds: float, size: int) -> None:
    assert next_size(answered(*answers), seconds) == size


def answering(answers: list[Any], channel: Channel) -> None:
    """The life of a worker that knows its answers."""
    channel.receive()
    for answer in answers:
        channel.send(answer)


class AnsweringWorker(WorkerProcess):
    """Runs at once, without badges."""

    def __init__(self, answers: list[Any]) -> None:
        super().__init__(Config("none.db", (), None, {}, task_timeout=5), StopFlag())
        self._child = ChildProcess(partial(answering, answers))


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
@pytest.mark.parametrize(
    ("answer", "begins"),
    [(Evaluated([]), True), (Evaluated([Grant("u", "one", 1)]), False), (Failure("odd"), False), (NotStarted(), False)],
)
def test_what_was_claimed_ahead_begins_at_once_where_nothing_was_awarded(
    store: Store, answer: Any, begins: bool
) -> None:
    add_tasks(store, 4)
    tasks = claim(store, limit=4).tasks
    slot = WorkerSlot(AnsweringWorker([Evaluated([]), answer]))
    slot.assign(tasks[:2])
    slot.begin(float("inf"))
    slot.assign(tasks[2:])

    wait_until(lambda: not slot.collect() and slot.has_results)
    slot.worker.close()

    assert slot.state is (State.ASSIGNED if begins else State.IDLE)
    assert slot.token == (tasks[2].token if begins else None)
    assert slot.take_results() == [
        (tasks[0], Evaluated([])), (tasks[1], answer), *((task, NotStarted()) for task in tasks[2:] if not begins),
    ]  # fmt: skip


def costs(path: Path, waiting: int) -> list[int]:
    """Of claims and their end, while so many tasks of a hundred users wait."""
    with open_store(str(path), create=True) as store:
        add_tasks(store, 100)
        store.database.execute_sql(
            "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < ?) INSERT INTO tasks "
            "(event_number, badge, attempts, due_at) SELECT n % 100 + 1, 'one', 0, ? FROM n",
            (waiting, timestamps.moment(NOW)),
        )
        running = claim(store, limit=100).tasks
        assert claim(store, limit=9).tasks == []  # there is no other user
        return [
            steps(store, lambda: claim(store, limit=9)),
            steps(store, lambda: task_queue.claim(store, 100, 60, 5, NOW, running[0].token)),
            steps(store, lambda: task_queue.finish(store, running)),
        ]


def test_a_claim_costs_the_same_however_many_tasks_wait(tmp_path: Path) -> None:
    few = costs(tmp_path / "few.db", 2_000)
    many = costs(tmp_path / "many.db", 200_000)

    assert few == pytest.approx(many, rel=0.02)
    assert many[1] < 80 * 100  # steps for each that is claimed
