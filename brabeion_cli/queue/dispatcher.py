"""`process-queue`: claims tasks in batches, has runners judge them, and settles them."""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from datetime import datetime, timezone
from functools import partial
from typing import NamedTuple

from brabeion_cli.engine.messages import Notify
from brabeion_cli.project.config import Config
from brabeion_cli.queue import completion, worker
from brabeion_cli.queue.completion import LeaseLost, TaskDone, TaskFailed
from brabeion_cli.queue.messages import NotStarted, StopFlag
from brabeion_cli.queue.worker_slot import WorkerSlot
from brabeion_cli.sandbox import process, supervisor
from brabeion_cli.sandbox.process import ChildProcess
from brabeion_cli.store import task_queue
from brabeion_cli.store.store import Store

#: Seconds by which a lease is longer than a task may run: for starting a runner, for tasks before it in its batch
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

    Each runner gets a batch: one task at first, and twice as many each time as long as they are quick, so that the two
    commits of a task, its claim and its end, are shared by many. What was claimed and not begun is given back.
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
        self._slots = [WorkerSlot(config.task_timeout) for _ in range(workers)]
        self._left = float("inf") if limit is None else limit
        self._until = float("inf") if max_time is None else time.monotonic() + max_time
        self._claim_at = 0.0
        self._stops = 0
        self._stop = StopFlag()

    def stop(self) -> None:
        """Claim nothing more, and begin nothing more; the second time, wait no longer either."""
        self._stops += 1
        self._stop.set()

    def run(self) -> Generator[Report, None, None]:
        """Run due tasks until there are none; yields what became of each, after it is on disk."""
        try:
            if not self._start(self._slots[0]):  # even with nothing to do: a broken badge module is told at once
                return
            while True:
                self._send()
                reports = [*self._settle(), *self._claim()]
                self._send()
                yield from reports  # while the runners work
                busy = [slot for slot in self._slots if not slot.idle]
                if not busy or self._stops > 1:
                    return
                select.select([slot.child for slot in busy if slot.child], [], [], process.GLANCE)
                for slot in busy:
                    if failures := slot.collect():
                        yield ReceiversFailed(failures)
                    if slot.over or slot.idle:
                        self._claim_at = 0.0
        finally:
            self._close()

    def _settle(self) -> Iterator[Report]:
        for slot in self._slots:
            if answered := slot.settling():
                self._left -= sum(not isinstance(answer, NotStarted) for _, answer in answered)
                reports = completion.complete_batch(self._store, answered, slot.ready, self._config, self._now())
                if slot.ready.receivers:
                    slot.news += [
                        Notify(report.new) for report in reports if isinstance(report, TaskDone) and report.new
                    ]
                yield from reports

    def _claim(self) -> Iterator[Report]:
        """Note tasks for every idle runner, and for those whose tasks are quick ahead of time, as long as there are any
        and we may; look for some now and then.
        """
        if time.monotonic() < self._claim_at:
            return
        self._claim_at = time.monotonic() + process.GLANCE
        lease = self._config.task_timeout + process.GRACE + SLACK
        for slot in sorted(self._slots, key=lambda slot: not slot.idle):
            limit = min(slot.size, self._left - sum(len(other.held) for other in self._slots))
            if not (slot.idle or slot.wants_more) or limit < 1 or self._stops or time.monotonic() >= self._until:
                continue
            beside = slot.tasks[0].token if slot.tasks else None
            tasks, died = task_queue.claim(
                self._store, int(limit), lease, self._config.max_attempts, self._now(), beside
            )
            (slot.ahead if slot.tasks else slot.tasks).extend(tasks)
            yield from map(WorkersDied, died)
            if not tasks:
                return

    def _send(self) -> None:
        """Have runners begin that have something to do."""
        for slot in self._slots:
            if not slot.idle and not slot.asked:
                if self._start(slot):
                    slot.send(self._until)
                else:
                    self._give_back([slot])

    def _start(self, slot: WorkerSlot) -> bool:
        """Fork a runner where there is none; with the database closed, because SQLite's connections do not survive a
        fork. False where we were stopped meanwhile.
        """
        if slot.child is not None:
            return True
        self._store.close()
        slot.child = ChildProcess(partial(worker.serve, self._config, self._stop))
        ready = supervisor.await_ready(slot.child, stopped=lambda: self._stops > 0)
        if ready is None:
            return False
        slot.ready = ready
        return True

    def _close(self) -> None:
        """End the runners; what they had not finished goes back."""
        self._give_back(self._slots)

    def _give_back(self, slots: Sequence[WorkerSlot]) -> None:
        for slot in slots:
            slot.close()
        for slot in slots:
            if held := slot.release():
                task_queue.give_back(self._store, held)
