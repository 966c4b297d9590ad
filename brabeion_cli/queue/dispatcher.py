"""The dispatcher of `process-queue`: claims tasks in batches, has workers evaluate them, and records the results."""

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
from brabeion_cli.runtime.badge_process import Notify
from brabeion_cli.sandbox import process
from brabeion_cli.store import task_queue
from brabeion_cli.store.store import Store

#: Seconds by which a lease is longer than a task may run. They cover the start of a worker, the tasks before it in its
#: batch (`worker.LONGEST`), and the wait for the write lock.
SLACK = 30.0


class WorkersDied(NamedTuple):
    """A task is dead because the workers that held it kept dying."""

    number: int


class ReceiversFailed(NamedTuple):
    """Receivers of `badge_awarded` failed; the awards stand."""

    failures: list[str]


Report = TaskDone | TaskFailed | WorkersDied | LeaseLost | ReceiversFailed


class Dispatcher:
    """Runs the due tasks. Iterate over `run()`.

    `stop()` ends the run after the current tasks; a second `stop()` ends those, too, and gives them back. A signal
    handler may call it.

    Each worker gets batches: one task at first, then twice as many each time as long as they are quick. So many tasks
    share two commits, the claim and the completion. Tasks that were claimed and not started are given back. `now`
    returns the present moment; `limit` is a number of tasks; `max_time` is in seconds.
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
        """Claim and start no more tasks; the second time, do not wait for the current ones either."""
        self._stops += 1
        self._stop_flag.set()

    def run(self) -> Generator[Report, None, None]:
        """Run due tasks until there are none. Yields the result of each, once it is on disk."""
        try:
            if not self._start(self._slots[0]):  # even if nothing is due: reports a broken badge module
                return
            while True:
                self._begin()
                reports = [*self._complete(), *self._claim()]
                self._begin()
                yield from reports  # while the workers work
                busy = [slot for slot in self._slots if slot.state is not State.IDLE]
                if not busy or self._stops > 1:
                    return
                select.select([slot.worker for slot in busy if slot.worker.running], [], [], process.POLL_INTERVAL)
                for slot in busy:
                    if failures := slot.collect():
                        yield ReceiversFailed(failures)
                    if slot.has_results or slot.state is State.IDLE:
                        self._claim_at = 0.0
        finally:
            self._give_back(self._slots)

    def _complete(self) -> Iterator[Report]:
        """Record what the workers returned."""
        for slot in self._slots:
            if answered := slot.take_results():
                self._left -= sum(not isinstance(each.answer, NotStarted) for each in answered)
                loaded = slot.worker.loaded
                reports = completion.complete_batch(self._store, answered, loaded.catalogue, self._config, self._now())
                for report in reports if loaded.receivers else ():
                    for award in report.new if isinstance(report, TaskDone) else ():
                        slot.announce(Notify([award]))
                yield from reports

    def _claim(self) -> Iterator[Report]:
        """Claim tasks for idle slots, and ahead of time for slots whose tasks are quick.

        Looks at most every `process.POLL_INTERVAL` seconds, or sooner when a slot finishes its batch.
        """
        if time.monotonic() < self._claim_at:
            return
        self._claim_at = time.monotonic() + process.POLL_INTERVAL
        lease = self._config.task_timeout + process.GRACE + SLACK
        for slot in sorted(self._slots, key=lambda slot: slot.state is not State.IDLE):
            limit = min(slot.size, self._left - sum(len(other.held) for other in self._slots))
            wanted = slot.state is State.IDLE or slot.wants_more
            if not wanted or limit < 1 or self._stops or time.monotonic() >= self._until:
                continue
            claim = task_queue.claim(
                self._store, int(limit), lease, self._config.max_attempts, self._now(), after_claim=slot.token
            )
            slot.assign(claim.tasks)
            yield from map(WorkersDied, claim.died)
            if not claim.tasks:
                return

    def _begin(self) -> None:
        """Send work to the workers of slots that have something to do."""
        for slot in self._slots:
            if slot.state is State.ASSIGNED:
                if self._start(slot):
                    slot.begin(self._until)
                else:
                    self._give_back([slot])

    def _start(self, slot: WorkerSlot) -> bool:
        """Start the slot's worker if it does not run. Returns False if `stop()` was called meanwhile.

        Closes the database before the fork, because SQLite's connections do not survive one.
        """
        if not slot.worker.running:
            self._store.close()
        return slot.worker.start(stopped=lambda: self._stops > 0)

    def _give_back(self, slots: Sequence[WorkerSlot]) -> None:
        """End workers, and give back the tasks that they have not finished."""
        for slot in slots:
            slot.worker.close()
        for slot in slots:
            if held := slot.release():
                task_queue.give_back(self._store, held)
