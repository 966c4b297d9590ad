"""The dispatcher of `process-queue`: claims tasks in batches, has workers evaluate them, and completes them."""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from brabeion_cli.project.config import Config
from brabeion_cli.queue import completion
from brabeion_cli.queue.completion import LeaseLost, TaskDone, TaskFailed
from brabeion_cli.queue.messages import NotStarted, StopFlag
from brabeion_cli.queue.worker_process import WorkerProcess
from brabeion_cli.queue.worker_slot import State, WorkerSlot
from brabeion_cli.runtime.messages import Notify
from brabeion_cli.sandbox import process
from brabeion_cli.store import task_queue
from brabeion_cli.store.store import Store

#: Seconds by which a lease is longer than a task may run: for starting a worker, for tasks before it in its batch
#: (`worker.LONGEST`), and for waiting to write.
SLACK = 30.0


class WorkersDied(NamedTuple):
    """A task is dead, because the workers that held it kept dying."""

    number: int


class ReceiversFailed(NamedTuple):
    """Receivers of `badge_awarded` failed; the awards stand."""

    failures: list[str]


Report = TaskDone | TaskFailed | WorkersDied | LeaseLost | ReceiversFailed


class Dispatcher:
    """Runs what is due. Iterate over `run()`; `stop()`, also from a signal handler, ends it after the current tasks,
    and a second `stop()` ends those too and gives them back.

    Each worker gets a batch: one task at first, and twice as many each time as long as they are quick, so that the two
    commits of a task, its claim and its end, are shared by many. What was claimed and not started is given back.
    `now` is asked for the present moment.
    """

    def __init__(
        self,
        config: Config,
        store: Store,
        *,
        now: Callable[[], datetime],
        workers: int = 1,
        limit: int | None = None,
        max_time: float | None = None,
    ) -> None:
        self._config, self._store, self._now = config, store, now
        self._stop_flag = StopFlag()
        self._slots = [WorkerSlot(WorkerProcess(config, self._stop_flag)) for _ in range(workers)]
        self._left = float("inf") if limit is None else limit
        self._until = float("inf") if max_time is None else time.monotonic() + max_time
        self._claim_at = 0.0
        self._stops = 0

    def stop(self) -> None:
        """Claim nothing more, and start nothing more; the second time, wait no longer either."""
        self._stops += 1
        self._stop_flag.set()

    def run(self) -> Generator[Report, None, None]:
        """Run due tasks until there are none; yields what became of each, after it is on disk."""
        try:
            if not self._start(self._slots[0]):  # even with nothing to do: a broken badge module is told at once
                return
            while True:
                self._begin()
                reports = [*self._complete(), *self._claim()]
                self._begin()
                yield from reports  # while the workers work
                busy = [slot for slot in self._slots if slot.state is not State.IDLE]
                if not busy or self._stops > 1:
                    return
                select.select([slot.worker for slot in busy if slot.worker.running], [], [], process.GLANCE)
                for slot in busy:
                    if failures := slot.collect():
                        yield ReceiversFailed(failures)
                    if slot.has_results or slot.state is State.IDLE:
                        self._claim_at = 0.0
        finally:
            self._give_back(self._slots)

    def _complete(self) -> Iterator[Report]:
        """Bring to disk what workers have answered."""
        for slot in self._slots:
            if answered := slot.take_results():
                self._left -= sum(not isinstance(each.answer, NotStarted) for each in answered)
                loaded = slot.worker.loaded
                reports = completion.complete_batch(self._store, answered, loaded.catalogue, self._config, self._now())
                for report in reports if loaded.has_receivers else ():
                    if isinstance(report, TaskDone) and report.new:
                        slot.announce(Notify(report.new))
                yield from reports

    def _claim(self) -> Iterator[Report]:
        """Claim tasks for every idle slot, and for those whose tasks are quick ahead of time, as long as there are any
        and we may; look for some now and then.
        """
        if time.monotonic() < self._claim_at:
            return
        self._claim_at = time.monotonic() + process.GLANCE
        lease = self._config.task_timeout + process.GRACE + SLACK
        for slot in sorted(self._slots, key=lambda slot: slot.state is not State.IDLE):
            limit = min(slot.size, self._left - sum(len(other.held) for other in self._slots))
            wanted = slot.state is State.IDLE or slot.wants_more
            if not wanted or limit < 1 or self._stops or time.monotonic() >= self._until:
                continue
            claim = task_queue.claim(
                self._store, int(limit), lease, self._config.max_attempts, self._now(), beside=slot.token
            )
            slot.assign(claim.tasks)
            yield from map(WorkersDied, claim.died)
            if not claim.tasks:
                return

    def _begin(self) -> None:
        """Ask the workers of slots that have something to do."""
        for slot in self._slots:
            if slot.state is State.ASSIGNED:
                if self._start(slot):
                    slot.begin(self._until)
                else:
                    self._give_back([slot])

    def _start(self, slot: WorkerSlot) -> bool:
        """Have a worker run; with the database closed, because SQLite's connections do not survive a fork. False where
        we were stopped meanwhile.
        """
        if not slot.worker.running:
            self._store.close()
        return slot.worker.start(stopped=lambda: self._stops > 0)

    def _give_back(self, slots: Sequence[WorkerSlot]) -> None:
        """End workers; what they had not finished goes back."""
        for slot in slots:
            slot.worker.close()
        for slot in slots:
            if held := slot.release():
                task_queue.give_back(self._store, held)
