"""The checkpoints of a walk through the journal: each ends a transaction and reports to the parent process."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

from brabeion_cli.domain.outcomes import NewAward
from brabeion_cli.replay.messages import Checkpoint, FailedEvaluation
from brabeion_cli.store.store import Store

LOCK_SECONDS = 0.020  # seconds between two checkpoints, and so for how long one transaction enters awards


class Checkpoints:
    """The checkpoints of one walk or several. The walk adds what there is to report to `awards` and `failures`."""

    def __init__(self, store: Store, tell: Callable[[Checkpoint], None]) -> None:
        self._store, self._tell = store, tell
        self._transaction = contextlib.ExitStack()
        self._done = self._total = 0
        self._until = 0.0
        self.awards: list[NewAward] = []
        self.failures: list[FailedEvaluation] = []

    @contextlib.contextmanager
    def walk(self, total: int) -> Iterator[None]:
        """A walk past `total` events. If the block fails, what was entered since the last checkpoint is rolled back."""
        self._done, self._total, self._until = 0, total, time.monotonic() + LOCK_SECONDS
        with self._transaction:
            yield
        self.commit_and_report()

    def count_event(self) -> None:
        """Count one more event. Make a checkpoint if it is time."""
        self._done += 1
        if time.monotonic() >= self._until:
            self.commit_and_report()
            self._until = time.monotonic() + LOCK_SECONDS

    def begin_transaction(self) -> None:
        """Open a transaction, if none is open. The next checkpoint commits it."""
        if not self._store.database.in_transaction():
            self._transaction.enter_context(self._store.transaction())

    def pause(self) -> None:
        """Commit, so that others can write, before something that may take long."""
        if self._store.database.in_transaction():
            self.commit_and_report()

    def commit_and_report(self) -> None:
        """Make a checkpoint: commit and report."""
        self._transaction.close()
        self._tell(Checkpoint(self._done, self._total, self.awards, self.failures))
        self.awards, self.failures = [], []
