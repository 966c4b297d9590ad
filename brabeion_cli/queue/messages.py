"""What the dispatcher of `process-queue` and its workers tell each other."""

from __future__ import annotations

import mmap
from typing import NamedTuple

from brabeion_cli.domain.award_rules import Grant
from brabeion_cli.domain.outcomes import Failure
from brabeion_cli.store.task_queue import ClaimedTask


class StopFlag:
    """Shared memory by which a parent says that no further task is to be started. Make it before the fork."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 1)

    def __bool__(self) -> bool:
        return self._memory[0] > 0

    def set(self) -> None:
        """Say so, also from a signal handler; there is no way back."""
        self._memory[0] = 1


class Batch(NamedTuple):
    """A request: evaluate these tasks, one after the other. From `until` on, a moment of `time.monotonic()`, start
    none.
    """

    tasks: list[ClaimedTask]
    until: float


class Evaluated(NamedTuple):
    """A badge has answered: the grants to enter, none where it was not earned."""

    grants: list[Grant]


class NotStarted(NamedTuple):
    """A task was not started: it has to wait for awards of an earlier one, the batch took too long, or we are
    stopped.
    """


class AnsweredTask(NamedTuple):
    """A task with what came of it."""

    task: ClaimedTask
    answer: Evaluated | Failure | NotStarted
