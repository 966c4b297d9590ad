"""A slot for a worker, with the state of the batch that the worker evaluates."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Sequence
from enum import Enum

from brabeion_cli.domain.outcomes import Failure
from brabeion_cli.queue import worker
from brabeion_cli.queue.messages import AnsweredTask, Batch, Evaluated, NotStarted
from brabeion_cli.queue.worker_process import WorkerProcess
from brabeion_cli.runtime.badge_process import Notify
from brabeion_cli.runtime.messages import Notified
from brabeion_cli.sandbox import process
from brabeion_cli.store.task_queue import ClaimedTask

MAX_BATCH = 200  # tasks in a batch
QUICK = 0.1  # seconds that a batch should take


class State(Enum):
    """What a slot is doing."""

    IDLE = "nothing to do"
    ASSIGNED = "there is a batch, or news; the worker has not been asked"
    EVALUATING = "the worker evaluates the batch"
    NOTIFYING = "the worker calls the receivers of badge_awarded"


class WorkerSlot:
    """Changes its state with `assign` and `announce` (idle → assigned), `begin` (assigned → evaluating or notifying)
    and `collect` (back to assigned or idle).

    `size` is how many tasks its next batch should have. Results wait in the slot until `take_results` hands them over.
    Meanwhile the worker may evaluate the next batch, which was claimed ahead.
    """

    def __init__(self, worker_process: WorkerProcess) -> None:
        self.worker = worker_process
        self.state = State.IDLE
        self.size = 1
        self._open: deque[ClaimedTask] = deque()  # tasks of the batch without an answer
        self._answered: list[AnsweredTask] = []  # tasks of the batch with an answer
        self._results: list[AnsweredTask] = []  # the batch before, not on disk yet
        self._next: list[ClaimedTask] = []  # the batch claimed ahead
        self._news: deque[Notify] = deque()
        self._sent_at = self._until = 0.0

    @property
    def has_results(self) -> bool:
        """Whether a finished batch is not on disk yet."""
        return bool(self._results)

    @property
    def wants_more(self) -> bool:
        """Whether to claim the next batch before this one is over, because the tasks are quick."""
        return bool(self._open) and not self._next and self.size == MAX_BATCH and not self.is_late

    @property
    def held(self) -> list[ClaimedTask]:
        """All claimed tasks whose results are not on disk."""
        return [*(each.task for each in self._results + self._answered), *self._open, *self._next]

    @property
    def token(self) -> str | None:
        """The token of the claim being evaluated; None if there is none."""
        return self._open[0].token if self._open else None

    @property
    def is_late(self) -> bool:
        """Whether the batch took so long that the worker starts no more tasks of it."""
        return bool(self._open) and time.monotonic() > self._until + process.POLL_INTERVAL

    def assign(self, tasks: Iterable[ClaimedTask]) -> None:
        """Give an idle slot its batch, or a busy slot its next one."""
        if self.state is State.IDLE:
            self._open.extend(tasks)
            self._become_assigned_or_idle()
        else:
            self._next.extend(tasks)

    def announce(self, news: Notify) -> None:
        """Have the receivers called as soon as the worker has no batch."""
        self._news.append(news)
        if self.state is State.IDLE:
            self._become_assigned_or_idle()

    def begin(self, until: float) -> None:
        """Send the worker what was assigned; it must be running. From `until` on it starts no task."""
        self._sent_at = time.monotonic()
        self._until = min(until, self._sent_at + worker.LONGEST)
        if self._open:
            self.state = State.EVALUATING
            self.worker.send(Batch([*self._open], self._until))
        else:
            self.state = State.NOTIFYING
            self.worker.send(self._news[0])

    def collect(self) -> list[str]:
        """Take the answers that are there. Returns a line for each receiver that failed.

        If the worker died or took too long, its current task has failed, and the tasks after it were not started.
        """
        while self.state is State.EVALUATING and (answer := self.worker.receive()) is not None:
            self._answered.append(AnsweredTask(self._open.popleft(), answer))
            if not self.worker.running:
                self._answered += _not_started(self._open)
                self._open.clear()
            if not self._open:
                self._end_batch()
        if self.state is State.NOTIFYING and (answer := self.worker.receive()) is not None:
            self._news.popleft()
            self._become_assigned_or_idle()
            if isinstance(answer, Notified):
                return answer.failures
            return [f"a receiver of badge_awarded did not return: {answer.error}"]
        return []

    def take_results(self) -> list[AnsweredTask]:
        """Hand over the answered tasks of one claim, and the tasks to give back as `NotStarted`."""
        if self._results:
            results, self._results = self._results + _not_started(self._next), []
        elif self.is_late and len(self.held) > 1:
            # The worker will report the same tasks as not started. By then we do not hold them, so that does nothing.
            results, self._answered = self._answered + _not_started([*self._open, *self._next][1:]), []
            self._until, self.size = float("inf"), 1
        else:
            return []
        self._next = []
        return results

    def release(self) -> list[ClaimedTask]:
        """Drop all work. Returns the tasks that were held."""
        held = self.held
        for tasks in (self._results, self._answered, self._open, self._next, self._news):
            tasks.clear()
        self.state = State.IDLE
        return held

    def _end_batch(self) -> None:
        """The batch is over. If nothing failed or was granted, the next one may start before this one is on disk."""
        self.size = next_size(self._answered, time.monotonic() - self._sent_at)
        self._results, self._answered = self._answered, []
        if all(isinstance(each.answer, Evaluated) and not each.answer.grants for each in self._results):
            self._open.extend(self._next)
            self._next = []
        self._become_assigned_or_idle()

    def _become_assigned_or_idle(self) -> None:
        self.state = State.ASSIGNED if self._open or self._news else State.IDLE


def next_size(answered: Sequence[AnsweredTask], seconds: float) -> int:
    """How many tasks to claim after a batch that took `seconds`: twice as many as were started, but no more than fit
    into `QUICK` seconds. After a failure: one.
    """
    if any(isinstance(each.answer, Failure) for each in answered):
        return 1
    started = sum(not isinstance(each.answer, NotStarted) for each in answered)
    return max(1, min(2 * started, MAX_BATCH, int(started * QUICK / max(seconds, 0.001))))


def _not_started(tasks: Iterable[ClaimedTask]) -> list[AnsweredTask]:
    return [AnsweredTask(task, NotStarted()) for task in tasks]
