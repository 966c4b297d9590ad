"""The checkpoints of a walk through the journal: a transaction ends at each, and the parent is told."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

from brabeion_cli.domain.outcomes import NewAward
from brabeion_cli.replay.messages import Checkpoint, FailedEvaluation
from brabeion_cli.store.store import Store

HOLD = 0.020  # seconds for which awards are entered in one transaction, and after which is told how far it has come


class Checkpoints:
    """Those of a walk, or of several. The walk fills `awards` and `failures` with what there is to tell."""

    def __init__(self, store: Store, tell: Callable[[Checkpoint], None]) -> None:
        self._store, self._tell = store, tell
        self._transaction = contextlib.ExitStack()
        self._done = self._total = 0
        self._until = 0.0
        self.awards: list[NewAward] = []
        self.failures: list[FailedEvaluation] = []

    @contextlib.contextmanager
    def walk(self, total: int) -> Iterator[None]:
        """A walk by so many events. Where the block fails, what its last step has entered is rolled back."""
        self._done, self._total, self._until = 0, total, time.monotonic() + HOLD
        with self._transaction:
            yield
        self.end()

    def went_on(self) -> None:
        """One more event is judged."""
        self._done += 1
        if time.monotonic() >= self._until:
            self.end()
            self._until = time.monotonic() + HOLD

    def enter(self) -> None:
        """What is entered from now on, until the step ends, is one transaction."""
        if not self._store.database.in_transaction():
            self._transaction.enter_context(self._store.transaction())

    def pause(self) -> None:
        """Let others write, before something that may take its time."""
        if self._store.database.in_transaction():
            self.end()

    def end(self) -> None:
        """The step is over: commit, and tell."""
        self._transaction.close()
        self._tell(Checkpoint(self._done, self._total, self.awards, self.failures))
        self.awards, self.failures = [], []
