"""`process-queue`: claims tasks, has runners judge them, finishes each in one transaction."""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from datetime import datetime, timezone
from functools import partial
from typing import NamedTuple

from brabeion_cli import children, deferred, engine, runner, startup
from brabeion_cli.children import Child, ChildDiedError, ChildOverranError
from brabeion_cli.config import Config
from brabeion_cli.deferred import Task
from brabeion_cli.engine import EndlessAwardsError
from brabeion_cli.entries import Entry
from brabeion_cli.grants import Grant
from brabeion_cli.isolation import Failure
from brabeion_cli.messages import Announced
from brabeion_cli.outcomes import AWARDED, DATED_BACK, NewAward
from brabeion_cli.runner import Announce, Judged, Ready
from brabeion_cli.store import Store

SLACK = 30.0  # seconds by which a lease is longer than a task may run: for starting a runner, and for waiting to write


class Done(NamedTuple):
    """A task is finished, and its awards are on disk."""

    task: Task
    entered: list[tuple[Grant, str]]
    endless: str | None = None  # why badges that listen to its awards were not asked


class Failed(NamedTuple):
    """A task failed; `due_at` is when it is tried again, None where it is dead now."""

    task: Task
    failure: Failure
    due_at: str | None


class Died(NamedTuple):
    """A task is dead, because the workers that held it kept dying."""

    number: int


class LeaseLost(NamedTuple):
    """A task took longer than its lease, and another worker has it: nothing of ours was recorded."""

    task: Task


class ReceiversFailed(NamedTuple):
    """Receivers of `badge_awarded` failed; the awards stand."""

    failures: list[str]


Report = Done | Failed | Died | LeaseLost | ReceiversFailed


class _Slot:
    """A runner, and what it is busy with until when."""

    def __init__(self) -> None:
        self.child: Child | None = None
        self.ready = Ready(False, [], {})
        self.work: Task | Announce | None = None
        self.deadline = 0.0

    def close(self) -> None:
        if self.child is not None:
            self.child.kill()
            self.child = None


class Worker:
    """Runs what is due. Iterate over `run()`; `stop()`, also from a signal handler, ends it after the current tasks,
    and a second `stop()` ends those too and gives them back.
    """

    def __init__(
        self,
        config: Config,
        store: Store,
        *,
        workers: int = 1,
        limit: int | None = None,
        max_time: float | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
    ) -> None:
        self._config, self._store, self._now = config, store, now
        self._slots = [_Slot() for _ in range(workers)]
        self._left = limit
        self._until = None if max_time is None else time.monotonic() + max_time
        self._stops = 0

    def stop(self) -> None:
        """Claim nothing more; the second time, wait no longer either."""
        self._stops += 1

    def run(self) -> Generator[Report, None, None]:
        """Run due tasks until there are none; yields what became of each, after it is on disk."""
        try:
            if not self._start(self._slots[0]):  # even with nothing to do: a broken badge module is told at once
                return
            while True:
                yield from self._claim()
                busy = [slot for slot in self._slots if slot.work is not None]
                if not busy or self._stops > 1:
                    return
                select.select([slot.child for slot in busy if slot.child], [], [], children.GLANCE)
                for slot in busy:
                    yield from self._look(slot)
        finally:
            self._close()

    def _claim(self) -> Iterator[Report]:
        """Give every idle runner a task, as long as there are any and we may."""
        idle = [slot for slot in self._slots if slot.work is None]
        wanted = len(idle) if self._left is None else min(len(idle), self._left)
        out_of_time = self._until is not None and time.monotonic() >= self._until
        if not wanted or self._stops or out_of_time:
            return
        lease = self._config.task_timeout + children.GRACE + SLACK
        tasks, died = deferred.claim(self._store, wanted, lease, self._config.max_attempts, self._now())
        yield from map(Died, died)
        for slot, task in zip(idle, tasks, strict=False):
            slot.work = task  # noted before the runner starts: if that fails, the task is given back
            if self._left is not None:
                self._left -= 1
        for slot in idle[: len(tasks)]:
            assert slot.work is not None
            if self._start(slot):
                self._send(slot, slot.work)
            else:
                self._give_back([slot])

    def _start(self, slot: _Slot) -> bool:
        """Fork a runner where there is none; with the database closed, because SQLite's connections do not survive a
        fork. False where we were stopped meanwhile.
        """
        if slot.child is not None:
            return True
        self._store.close()
        slot.child = Child(partial(runner.serve, self._config))
        ready = startup.await_ready(slot.child, stopped=lambda: self._stops > 0)
        if ready is None:
            return False
        slot.ready = ready
        return True

    def _send(self, slot: _Slot, work: Task | Announce) -> None:
        assert slot.child is not None
        slot.work = work
        slot.deadline = time.monotonic() + self._config.task_timeout + children.GRACE
        slot.child.send(work)

    def _look(self, slot: _Slot) -> Iterator[Report]:
        """See whether a runner has answered, died or overrun."""
        assert slot.child is not None
        assert slot.work is not None
        work = slot.work
        try:
            answer: Judged | Failure | Announced = slot.child.receive(0)
        except ChildDiedError as death:
            answer = Failure(str(death))
            slot.child = None
        except ChildOverranError:
            if time.monotonic() < slot.deadline:
                return
            slot.close()
            answer = Failure(f"TimeoutError: no answer within {self._config.task_timeout:g} s; its process was killed")
        slot.work = None
        if isinstance(work, Announce):
            lost = f"a receiver of badge_awarded never came back: {answer[0]}"
            failures = answer.failures if isinstance(answer, Announced) else [lost]
            if failures:
                yield ReceiversFailed(failures)
        elif isinstance(answer, Judged):
            yield from self._finish(slot, work, answer.grants)
        elif isinstance(answer, Failure):
            yield self._fail(work, answer)

    def _finish(self, slot: _Slot, task: Task, grants: Sequence[Grant]) -> Iterator[Report]:
        report, new = finish(self._store, task, grants, slot.ready, self._now())
        yield report
        if new and slot.ready.receivers:
            self._send(slot, Announce(new))

    def _fail(self, task: Task, failure: Failure) -> Report:
        config = self._config
        setback = deferred.fail(self._store, task, failure, config.max_attempts, config.retry_delay, self._now())
        return LeaseLost(task) if setback is None else Failed(task, failure, setback.due_at)

    def _close(self) -> None:
        """End the runners; what they had not finished goes back."""
        self._give_back(self._slots)

    def _give_back(self, slots: Sequence[_Slot]) -> None:
        unfinished = [slot.work for slot in slots if isinstance(slot.work, Task)]
        for slot in slots:
            slot.close()
            slot.work = None
        if unfinished:
            deferred.give_back(self._store, unfinished, self._now())


def finish(
    store: Store, task: Task, grants: Sequence[Grant], ready: Ready, now: datetime
) -> tuple[Done | LeaseLost, list[NewAward]]:
    """One transaction: the lease is still ours, the task goes, its awards come, and the tasks of badges that listen to
    awards. What became of the task, and the awards that are new.
    """
    entry, endless = task.entry, None
    with store.transaction():
        if not deferred.finish(store, task):
            return LeaseLost(task), []
        entered = engine.enter(store, grants, entry.at, event_number=entry.number, belated=True)
        granted = [grant for grant, outcome in entered if outcome in (AWARDED, DATED_BACK)]
        try:
            _put_off(store, granted, entry, ready, now)
        except EndlessAwardsError as error:
            endless = str(error)
    return Done(task, entered, endless), engine.new_awards(entered, entry.at, entry.number)


def _put_off(store: Store, granted: Sequence[Grant], entry: Entry, ready: Ready, now: datetime) -> None:
    """An award is an event: put off the badges that listen to it. Raises `EndlessAwardsError`."""
    for grant in granted if ready.collectors else ():
        about = engine.award_entry(store, grant, ready.level_names[grant.badge][grant.level - 1], entry)
        engine.require_end(about)
        for collector in ready.collectors:
            deferred.defer(store, collector, about, None, now)
