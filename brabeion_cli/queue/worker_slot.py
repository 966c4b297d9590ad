"""A runner of `process-queue`, and the batch of tasks that it works on."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

from brabeion_cli.domain.outcomes import Failure
from brabeion_cli.engine.messages import Notified, Notify
from brabeion_cli.queue import worker
from brabeion_cli.queue.completion import Answered
from brabeion_cli.queue.messages import BadgesReady, Batch, Evaluated, NotStarted
from brabeion_cli.sandbox import process
from brabeion_cli.sandbox.process import ChildDiedError, ChildOverranError, ChildProcess
from brabeion_cli.store.task_queue import ClaimedTask

MAX_BATCH = 200  # tasks in a batch
QUICK = 0.1  # seconds that a batch should take


class WorkerSlot:
    """A place for a runner, which may die and be replaced. `size` is how many tasks its next batch should have.

    `tasks` are those of its batch that it has not answered, `answered` the others with their answers, `over` those of
    the batch before; `ahead` is the next batch, `news` are the awards that it is still to announce. `asked` is whether
    it knows what it is to do.
    """

    def __init__(self, task_timeout: float) -> None:
        self._task_timeout = task_timeout
        self.child: ChildProcess | None = None
        self.ready = BadgesReady(False, [], {})
        self.size = 1
        self.tasks: deque[ClaimedTask] = deque()
        self.answered: list[Answered] = []
        self.over: list[Answered] = []
        self.ahead: list[ClaimedTask] = []
        self.news: deque[Notify] = deque()
        self.asked = False
        self._sent_at = self._deadline = self._until = 0.0

    @property
    def idle(self) -> bool:
        """Whether there is nothing to do."""
        return not self.tasks and not self.news

    @property
    def wants_more(self) -> bool:
        """Whether the next batch should be claimed before this one is over: the tasks are quick."""
        return bool(self.tasks) and not self.ahead and self.size == MAX_BATCH and not self.late

    @property
    def held(self) -> list[ClaimedTask]:
        """All tasks that are not settled."""
        return [*(task for task, _ in self.over + self.answered), *self.tasks, *self.ahead]

    @property
    def late(self) -> bool:
        """Whether the batch takes so long that no further task of it will be begun."""
        return bool(self.tasks) and time.monotonic() > self._until + process.GLANCE

    def send(self, until: float) -> None:
        """Have the runner do what is to be done; from `until` on it begins no task."""
        assert self.child is not None
        self.asked = True
        self._sent_at = time.monotonic()
        self._until = min(until, self._sent_at + worker.LONGEST)
        self._extend()
        self.child.send(Batch([*self.tasks], self._until) if self.tasks else self.news[0])

    def collect(self) -> list[str]:
        """Take the answers that are there; what receivers raised, as lines.

        Where the runner has died or overrun, the task that it was at has failed, and those behind it were not begun.
        """
        while self.asked and (answer := self._receive()) is not None:
            if not self.tasks:
                self.asked = False
                self.news.popleft()
                if isinstance(answer, Notified):
                    return answer.failures
                return [f"a receiver of badge_awarded never came back: {answer.error}"]
            self.answered.append((self.tasks.popleft(), answer))
            if self.child is None:
                self.answered += _not_begun(self.tasks)
                self.tasks.clear()
            if not self.tasks:
                self._end()
        return []

    def settling(self) -> list[Answered]:
        """Hand over tasks of one claim that have been answered, and as not begun whatever has to be given back."""
        if self.over:
            settling, self.over = self.over + _not_begun(self.ahead), []
        elif self.late and len(self.held) > 1:  # the runner will say of the same tasks that it did not begin them:
            settling, self.answered = self.answered + _not_begun([*self.tasks, *self.ahead][1:]), []
            self._until, self.size = float("inf"), 1  # by then they are no longer ours, and nothing happens to them
        else:
            return []
        self.ahead = []
        return settling

    def release(self) -> list[ClaimedTask]:
        """Have nothing to do any more; the tasks that were held."""
        held = self.held
        for tasks in (self.over, self.answered, self.tasks, self.ahead, self.news):
            tasks.clear()
        self.asked = False
        return held

    def close(self) -> None:
        """End the runner."""
        if self.child is not None:
            self.child.kill()
            self.child = None

    def _end(self) -> None:
        """The batch is over: where it changed nothing, the next one may begin before it is settled."""
        self.asked = False
        self.size = next_size(self.answered, time.monotonic() - self._sent_at)
        self.over, self.answered = self.answered, []
        if all(isinstance(answer, Evaluated) and not answer.grants for _, answer in self.over):
            self.tasks.extend(self.ahead)
            self.ahead = []

    def _extend(self) -> None:
        self._deadline = time.monotonic() + self._task_timeout + process.GRACE

    def _receive(self) -> Any:
        """The next answer, or why there will be none; None where it is still to come."""
        assert self.child is not None
        try:
            answer = self.child.receive(0)
        except ChildDiedError as death:
            self.child = None
            return Failure(str(death))
        except ChildOverranError:
            if time.monotonic() < self._deadline:
                return None
            self.close()
            return Failure(f"TimeoutError: no answer within {self._task_timeout:g} s; its process was killed")
        self._extend()
        return answer


def next_size(answered: Sequence[Answered], seconds: float) -> int:
    """How many tasks are claimed after a batch that took so many seconds: twice as many as were begun, as far as they
    are quick; after a failure one.
    """
    if any(isinstance(answer, Failure) for _, answer in answered):
        return 1
    begun = sum(not isinstance(answer, NotStarted) for _, answer in answered)
    return max(1, min(2 * begun, MAX_BATCH, int(begun * QUICK / max(seconds, 0.001))))


def _not_begun(tasks: Iterable[ClaimedTask]) -> list[Answered]:
    return [(task, NotStarted()) for task in tasks]
