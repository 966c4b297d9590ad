"""`process-queue` and `queue`, from the outside; leases and attempts, from the inside."""

from __future__ import annotations

import json
import os
import signal
import time

import pytest

from brabeion_cli.domain import events
from brabeion_cli.domain.outcomes import Failure
from brabeion_cli.domain.timeline import JournalEntry
from brabeion_cli.errors import NoSuchTaskError
from brabeion_cli.store import task_admin, task_queue
from brabeion_cli.store.store import Store
from tests.support.moments import NOW
from tests.support.processes import PATIENCE, wait_until
from tests.support.project import Project
from tests.support.tasks import COUNTS, add_tasks, claim, queue_tasks


def test_the_documented_counts(project: Project) -> None:
    queue_tasks(project, "if state['n'] == 2: raise ValueError('odd')\nif state['n']: return BadgeAwarded()", count=4)

    result = project.run("process-queue", "--json")

    assert result.status == 1
    assert result.json == COUNTS | {"done": 3, "awarded": 2, "retried": 1, "remaining": 1}
    assert list(result.json) == list(COUNTS)
    assert "task 3 (one, u2): ValueError: odd (one.py:12); attempt 1 of 5, next try at 20" in result.err


def test_with_nothing_to_do_it_is_silent(project: Project) -> None:
    queue_tasks(project, "return None")
    assert project.ok("process-queue").out == "1 done, 0 awarded, 0 retried, 0 dead, 0 remaining\n"

    again = project.ok("process-queue")

    assert (again.out, again.err) == ("", "")
    assert project.ok("process-queue", "--json").json == COUNTS


def test_a_deferred_award_knows_the_event_and_moment_that_earned_it(project: Project) -> None:
    project.simple_badge("return BadgeAwarded()", async_=True)
    project.fire(at="2020-01-02T03:04:05Z", id="e-1")
    project.ok("process-queue")

    (award,) = project.ok("list", "--json").json
    assert award["awarded_at"] == "2020-01-02T03:04:05.000000Z"
    assert award["event"] == {"name": "it_happened", "id": "e-1", "at": "2020-01-02T03:04:05.000000Z"}


def test_what_freeze_put_in_reaches_award_as_it_was(project: Project) -> None:
    project.badge(
        """
        from datetime import date, datetime, time, timedelta, timezone
        from decimal import Decimal
        from uuid import UUID
        from brabeion import badges
        from brabeion.base import Badge, BadgeAwarded

        KEPT = {
            "now": datetime(2026, 11, 22, 18, 19, tzinfo=timezone.utc), "naive": datetime(2026, 1, 1),
            "day": date(2026, 1, 2), "time": time(3, 4), "span": timedelta(days=-1, microseconds=5),
            "price": Decimal("1.10"), "uuid": UUID(int=7), "pair": (1, [2, (3,)]), "$type": {"$type": "datetime"},
        }

        @badges.register
        class Frozen(Badge):
            slug = "frozen"
            levels = ["One"]
            events = ["it_happened"]
            async_ = True

            def freeze(self, **state):
                return {**state, **KEPT}

            def award(self, **state):
                assert state.pop("history").event.name == "it_happened"
                assert state == {"user": "alice", "x": [1], **KEPT}, state
                assert type(state["now"]) is datetime
                return BadgeAwarded()
        """
    )
    project.fire(state={"x": [1]})

    assert project.ok("process-queue", "--json").json["awarded"] == 1


def test_the_state_of_the_event_counts_not_the_state_of_the_world(project: Project) -> None:
    queue_tasks(project, "return BadgeAwarded() if state['n'] == 0 else None")
    project.sql("UPDATE tasks SET state = json_set(state, '$.n', 1)")

    assert project.ok("process-queue", "--json").json["awarded"] == 0


def test_a_sync_badge_that_failed_is_tried_again_with_its_state_as_it_was(project: Project) -> None:
    project.simple_badge("raise RuntimeError")
    assert project.fire(state={"points": [1]}).status == 1
    project.simple_badge("return BadgeAwarded(key=str(state['points']) + state['user'])")

    assert project.ok("process-queue", "--json").json["awarded"] == 1
    assert project.ok("list", "--json").json[0]["key"] == "[1]alice"


def test_a_freeze_that_failed_is_run_again(project: Project) -> None:
    project.simple_badge("return BadgeAwarded(key=state['k'])", async_=True)
    path = project.directory / "badges/one.py"
    good = path.read_text() + "    def freeze(self, **state):\n        return {'k': 'kept'}\n"
    path.write_text(good.replace("'kept'", "1 / 0"))
    assert project.fire().json["results"][0]["outcome"] == "error"
    path.write_text(good)

    assert project.ok("process-queue", "--json").json["awarded"] == 1


def test_attempts_end_in_a_dead_task_that_is_kept_and_can_be_retried(project: Project) -> None:
    project.write("brabeion.toml", "max_attempts = 3\nretry_delay = 0\n")
    queue_tasks(project, "raise ValueError('no')")

    result = project.run("process-queue", "--json")

    assert result.json == COUNTS | {"retried": 2, "dead": 1}
    (task,) = project.ok("queue", "list", "--json").json
    assert task == {
        "task": 1, "badge": "one", "user": "u0", "status": "dead", "attempts": 3, "due_at": None,
        "event": {"name": "it_happened", "id": "0", "at": task["event"]["at"]},
        "error": "ValueError: no", "where": "one.py:12",
    }  # fmt: skip
    assert "brabeion queue retry 1" in result.err
    assert project.ok("process-queue", "--json").json == COUNTS
    project.simple_badge("return BadgeAwarded()", async_=True)
    assert project.ok("queue", "retry", "--all", "--json").json == {"retried": [1]}
    assert project.ok("process-queue", "--json").json == COUNTS | {"done": 1, "awarded": 1}


def test_back_off_doubles_with_jitter_up_to_an_hour() -> None:
    for attempts, least in ((1, 30), (2, 60), (3, 120), (4, 240), (20, 3600), (10**6, 3600)):
        delays = {task_queue.delay(attempts, 30) for _ in range(50)}
        assert all(least <= delay <= least * 1.25 for delay in delays)
        assert len(delays) > 1


def test_a_task_put_off_is_not_due_yet(project: Project) -> None:
    queue_tasks(project, "raise ValueError")
    project.run("process-queue")

    assert project.ok("process-queue", "--json").json == COUNTS | {"remaining": 1}
    assert project.ok("queue", "retry", "1").out == "retried 1: 1\n"
    assert project.run("process-queue", "--json").json["retried"] == 1


def test_dropping_gives_a_task_up(project: Project) -> None:
    queue_tasks(project, "return BadgeAwarded()", count=3)

    assert project.ok("queue", "drop", "1", "3", "--json").json == {"dropped": [1, 3]}
    assert [task["task"] for task in project.ok("queue", "list", "--json").json] == [2]
    assert project.sql("SELECT count(*) FROM events") == [(3,)]


@pytest.mark.parametrize("command", ["retry", "drop"])
@pytest.mark.parametrize(
    ("arguments", "message"), [(["2", "99"], "no task 99"), ([], "--all"), (["1", "--all"], "--all"), (["x"], "x")]
)
def test_a_task_that_is_not_there_changes_nothing(
    project: Project, command: str, arguments: list[str], message: str
) -> None:
    queue_tasks(project, "return BadgeAwarded()", count=2)
    before = project.sql("SELECT * FROM tasks")

    result = project.run("queue", command, *arguments)

    assert result.status == 2
    assert message in result.err
    assert project.sql("SELECT * FROM tasks") == before


def test_limit_and_max_time_end_a_run(project: Project) -> None:
    queue_tasks(project, "time.sleep(0.5)", count=5)

    assert project.ok("process-queue", "--limit", 2, "--json").json == COUNTS | {"done": 2, "remaining": 3}
    assert project.ok("process-queue", "--max-time", 0, "--json").json == COUNTS | {"remaining": 3}
    # The first task ends after that time, whenever it begins. On a busy machine it does not begin.
    done = project.ok("process-queue", "--max-time", 0.45, "--json").json["done"]
    assert done <= 1
    assert project.sql("SELECT count(*) FROM tasks") == [(3 - done,)]


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--limit=0", "'0' is not a whole number, 1 or more"),
        ("--limit=x", "'x' is not a whole number, 1 or more"),
        ("--max-time=nan", "'nan' is not a number, 0 or more"),
        ("--max-time=-1", "'-1' is not a number, 0 or more"),
        ("--workers=65", "'65' is too large; at most 64"),
    ],
)
def test_numbers_out_of_bounds_are_wrong_usage(project: Project, option: str, message: str) -> None:
    result = project.run("process-queue", option)

    assert result.status == 2
    assert message in result.err


def test_workers_run_side_by_side(project: Project) -> None:
    # A task ends only when three processes have a task, or when it has waited for them in vain.
    body = """
    open(f'begun-{os.getpid()}', 'w').close()
    until = time.monotonic() + 20
    while sum(name.startswith('begun-') for name in os.listdir()) < 3 and time.monotonic() < until:
        time.sleep(0.01)
    return BadgeAwarded(key=f"{os.getpid()} {time.monotonic() < until}")
    """
    queue_tasks(project, body, count=3)

    project.ok("process-queue", "--workers", 3)

    keys = {tuple(key.split()) for (key,) in project.sql('SELECT DISTINCT "key" FROM awards')}
    assert len(keys) == 3
    assert {met for _, met in keys} == {"True"}


def test_the_runner_lives_on_from_task_to_task(project: Project) -> None:
    queue_tasks(project, "return BadgeAwarded(key=os.getpid())", count=5)
    project.ok("process-queue")

    assert len(project.sql('SELECT DISTINCT "key" FROM awards')) == 1


def test_overlapping_runs_do_each_task_once(project: Project) -> None:
    queue_tasks(project, "time.sleep(0.02)\nreturn BadgeAwarded(key=state['n'])", count=40, multiple=True)

    runs = [project.start("process-queue", "--json") for _ in range(3)]
    done = [json.loads(run.communicate()[0]) for run in runs]

    assert sum(run["done"] for run in done) == sum(run["awarded"] for run in done) == 40
    assert all(run.returncode == 0 for run in runs)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_the_current_task_cleanly(project: Project, number: int, status: int) -> None:
    queue_tasks(project, "open('started', 'w').close()\ntime.sleep(1)\nreturn BadgeAwarded()", count=3)
    process = project.start("process-queue", "--json")
    wait_until((project.directory / "started").exists)
    process.send_signal(number)
    out, err = process.communicate(timeout=PATIENCE)

    assert process.returncode == status
    assert json.loads(out) == COUNTS | {"done": 1, "awarded": 1, "remaining": 2}
    assert b"Traceback" not in err
    assert project.sql("SELECT DISTINCT attempts, token FROM tasks") == [(0, None)]


def test_a_second_signal_gives_the_current_task_back(project: Project) -> None:
    queue_tasks(project, "open('started', 'w').write(str(os.getpid()))\ntime.sleep(600)")
    process = project.start("process-queue", "--json")
    started = project.directory / "started"
    wait_until(lambda: started.exists() and started.read_text())
    process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=PATIENCE)

    assert process.returncode == 143
    assert project.sql("SELECT attempts, token, due_at <= strftime('%Y-%m-%dT%H:%M:%fZ', 'now') FROM tasks") == [
        (0, None, 1)
    ]
    with pytest.raises(ProcessLookupError):
        os.kill(int(started.read_text()), 0)


def test_a_signal_ends_a_run_whose_badges_take_forever_to_load(project: Project) -> None:
    queue_tasks(project, "return None")
    project.badge("import time\nopen('loading', 'w').close()\ntime.sleep(600)", "slow.py")
    process = project.start("process-queue")
    wait_until((project.directory / "loading").exists)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=PATIENCE)

    assert process.returncode == 143
    assert project.sql("SELECT attempts, token FROM tasks") == [(0, None)]


def test_a_task_of_a_badge_that_is_gone_says_so(project: Project) -> None:
    queue_tasks(project, "return None")
    (project.directory / "badges/one.py").unlink()

    assert "no badge 'one' is registered; was it renamed or removed?" in project.run("process-queue").err


@pytest.fixture
def tasks(store: Store) -> Store:
    """A store with three tasks."""
    add_tasks(store, 3)
    return store


def test_a_claim_takes_what_is_due_once(tasks: Store) -> None:
    assert [task.number for task in claim(tasks, limit=2).tasks] == [1, 2]
    assert [(task.number, task.entry.user, task.attempts) for task in claim(tasks, limit=2).tasks] == [(3, "u2", 1)]
    assert claim(tasks).tasks == []
    assert claim(tasks, seconds=-1).tasks == []


def test_a_lease_that_runs_out_lets_another_worker_in_and_the_first_write_nothing(tasks: Store) -> None:
    (first,) = claim(tasks).tasks
    assert first not in claim(tasks, seconds=59, limit=9).tasks
    second = next(task for task in claim(tasks, seconds=121, limit=9).tasks if task.number == first.number)

    assert second.attempts == 2
    assert task_queue.fail(tasks, first, Failure("late"), 5, 30, NOW) is None
    task_queue.give_back(tasks, [first])
    with tasks.transaction():
        assert task_queue.finish(tasks, [first]) == set()
        assert task_queue.finish(tasks, [second]) == {second.number}


def test_a_task_that_kills_its_workers_ends_as_dead(tasks: Store) -> None:
    for attempt in range(3):
        found = [claim(tasks, seconds=attempt * 61, limit=9, max_attempts=3) for _ in range(3)]
        assert (sum(len(each.tasks) for each in found), sum(len(each.died) for each in found)) == (3, 0)

    found = claim(tasks, seconds=3 * 61, limit=9, max_attempts=3)

    assert (found.tasks, found.died) == ([], [1, 2, 3])
    rows = tasks.database.execute_sql("SELECT DISTINCT due_at, token, error FROM tasks").fetchall()
    assert rows == [(None, None, "its worker was killed, or stopped past its lease")]


def test_a_running_task_is_not_retried(tasks: Store) -> None:
    claim(tasks)

    with pytest.raises(NoSuchTaskError, match="task 1 is running"):
        task_admin.retry(tasks, [2, 1], NOW)


def test_task_numbers_are_never_used_again(tasks: Store) -> None:
    entry = claim(tasks).tasks[0].entry
    task_admin.drop(tasks, [3])
    with tasks.transaction():
        assert task_queue.defer(tasks, "one", entry, None, NOW) == 4


def test_the_tasks_of_a_user_are_found_behind_those_of_others(store: Store) -> None:
    with store.transaction():
        event = events.make("e", {}, user="giver", now=NOW, max_bytes=100)
        number = store.events.add(event) or 0
        for user in ("a", "b"):
            award = JournalEntry(number, "badge_awarded", user, event.at, None, "{}", position=1, depth=1)
            task_queue.defer(store, "one", award, None, NOW)

    assert [row["user"] for row in task_admin.queue(store, NOW, user="b", limit=1)] == ["b"]
