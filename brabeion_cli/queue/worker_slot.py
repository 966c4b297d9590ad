"""A slot for a worker, and the state of the batch that the worker evaluates."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Sequence
from enum import Enum

from brabeion_cli.domain.outcomes import Failure
from brabeion_cli.queue import worker
from brabeion_cli.queue.messages import AnsweredTask, Batch, Evaluated, NotStarted
from brabeion_cli.queue.worker_process import WorkerProcess
from brabeion_cli.runtime.messages import Notified, Notify
from brabeion_cli.sandbox import process
from brabeion_cli.store.task_queue import ClaimedTask

MAX_BATCH = 200  # tasks in a batch
QUICK = 0.1  # seconds that a batch should take


class State(Enum):
    """What a slot is at."""

    IDLE = "nothing to do"
    ASSIGNED = "there is a batch, or news; the worker has not been asked"
    EVALUATING = "the worker evaluates the batch"
    NOTIFYING = "the worker calls the receivers of badge_awarded"


class WorkerSlot:
    """Moves between its states by `assign` and `announce` (idle → assigned), `begin` (assigned → evaluating, or
    notifying) and `collect` (back to assigned or idle).

    `size` is how many tasks its next batch should have. Results wait in the slot until `take_results` hands them over:
    the next batch, claimed ahead, may be evaluated meanwhile.
    """

    def __init__(self, worker_process: WorkerProcess) -> None:
        self.worker = worker_process
        self.state = State.IDLE
        self.size = 1
        self._open: deque[ClaimedTask] = deque()  # tasks of the batch that have no answer
        self._answered: list[AnsweredTask] = []  # the others
        self._results: list[AnsweredTask] = []  # of the batch before
        self._next: list[ClaimedTask] = []  # the batch that was claimed ahead
        self._news: deque[Notify] = deque()
        self._sent_at = self._until = 0.0

    @property
    def has_results(self) -> bool:
        """Whether a batch is over that is not on disk."""
        return bool(self._results)

    @property
    def wants_more(self) -> bool:
        """Whether the next batch should be claimed before this one is over: the tasks are quick."""
        return bool(self._open) and not self._next and self.size == MAX_BATCH and not self.is_late

    @property
    def held(self) -> list[ClaimedTask]:
        """All tasks that are not on disk."""
        return [*(each.task for each in self._results + self._answered), *self._open, *self._next]

    @property
    def token(self) -> str | None:
        """The token of the claim that is being evaluated, None where there is none."""
        return self._open[0].token if self._open else None

    @property
    def is_late(self) -> bool:
        """Whether the batch takes so long that no further task of it will be started."""
        return bool(self._open) and time.monotonic() > self._until + process.GLANCE

    def assign(self, tasks: Iterable[ClaimedTask]) -> None:
        """Give an idle slot its batch, or a busy one its next."""
        if self.state is State.IDLE:
            self._open.extend(tasks)
            self._rest()
        else:
            self._next.extend(tasks)

    def announce(self, news: Notify) -> None:
        """Have receivers called, as soon as the worker has no batch."""
        self._news.append(news)
        if self.state is State.IDLE:
            self._rest()

    def begin(self, until: float) -> None:
        """Ask the worker, which is running, for what was assigned; from `until` on it starts no task."""
        self._sent_at = time.monotonic()
        self._until = min(until, self._sent_at + worker.LONGEST)
        if self._open:
            self.state = State.EVALUATING
            self.worker.send(Batch([*self._open], self._until))
        else:
            self.state = State.NOTIFYING
            self.worker.send(self._news[0])

    def collect(self) -> list[str]:
        """Take the answers that are there; a line for each receiver that failed.

        Where the worker has died or overrun, the task that it was at has failed, and those behind it were not started.
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
            self._rest()
            if isinstance(answer, Notified):
                return answer.failures
            return [f"a receiver of badge_awarded never came back: {answer.error}"]
        return []

    def take_results(self) -> list[AnsweredTask]:
        """Hand over tasks of one claim that have been answered, and as not started whatever has to be given back."""
        if self._results:
            results, self._results = self._results + _not_started(self._next), []
        elif self.is_late and len(self.held) > 1:  # the worker will say of the same tasks that it did not start them:
            results, self._answered = self._answered + _not_started([*self._open, *self._next][1:]), []
            self._until, self.size = float("inf"), 1  # by then they are no longer ours, and nothing happens to them
        else:
            return []
        self._next = []
        return results

    def release(self) -> list[ClaimedTask]:
        """Have nothing to do any more; the tasks that were held."""
        held = self.held
        for tasks in (self._results, self._answered, self._open, self._next, self._news):
            tasks.clear()
        self.state = State.IDLE
        return held

    def _end_batch(self) -> None:
        """The batch is over: where it changed nothing, the next one may begin before this one is on disk."""
        self.size = next_size(self._answered, time.monotonic() - self._sent_at)
        self._results, self._answered = self._answered, []
        if all(isinstance(each.answer, Evaluated) and not each.answer.grants for each in self._results):
            self._open.extend(self._next)
            self._next = []
        self._rest()

    def _rest(self) -> None:
        self.state = State.ASSIGNED if self._open or self._news else State.IDLE


def next_size(answered: Sequence[AnsweredTask], seconds: float) -> int:
    """How many tasks to claim after a batch that took so many seconds: twice as many as were started, as far as they
    are quick; after a failure one.
    """
    if any(isinstance(each.answer, Failure) for each in answered):
        return 1
    started = sum(not isinstance(each.answer, NotStarted) for each in answered)
    return max(1, min(2 * started, MAX_BATCH, int(started * QUICK / max(seconds, 0.001))))


def _not_started(tasks: Iterable[ClaimedTask]) -> list[AnsweredTask]:
    return [AnsweredTask(task, NotStarted()) for task in tasks]
