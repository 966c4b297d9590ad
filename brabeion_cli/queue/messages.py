"""Messages between the dispatcher of `process-queue` and its workers."""

from __future__ import annotations

import mmap
from typing import NamedTuple

from brabeion_cli.domain.grants import Grant
from brabeion_cli.domain.outcomes import Failure
from brabeion_cli.store.task_queue import ClaimedTask


class StopFlag:
    """Shared memory in which the dispatcher says that no more tasks may start. Make it before the fork."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 1)

    def __bool__(self) -> bool:
        return self._memory[0] > 0

    def set(self) -> None:
        """Set the flag for good. A signal handler may call it."""
        self._memory[0] = 1


class Batch(NamedTuple):
    """A request: evaluate these tasks in order. From `until` on, a time of `time.monotonic()`, start none."""

    tasks: list[ClaimedTask]
    until: float


class Evaluated(NamedTuple):
    """A badge has returned: the grants to enter, none if it was not earned."""

    grants: list[Grant]


class NotStarted(NamedTuple):
    """A task was not started: it must wait for awards of an earlier one, time was up, or the run was stopped."""


class AnsweredTask(NamedTuple):
    """A task with its result."""

    task: ClaimedTask
    answer: Evaluated | Failure | NotStarted
