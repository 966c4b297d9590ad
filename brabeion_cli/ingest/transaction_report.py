"""Counts what happens to the lines of one transaction of `ingest`."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING

from brabeion_cli.domain.outcomes import Failure, NewAward, OutcomeKind
from brabeion_cli.ingest.messages import BlockRequest, CommittedLines, FailedBadge, RejectedLine

if TYPE_CHECKING:
    from brabeion_cli.base import Badge
    from brabeion_cli.domain.grants import Grant
    from brabeion_cli.domain.timeline import JournalEntry


class TransactionReport:
    """An `OutcomeListener`. `line` is the number of the line being recorded; `now` is when queued tasks are due."""

    def __init__(self, request: BlockRequest, now: datetime) -> None:
        self.now = now
        self.line = request.block.number - 1
        self.recorded = self.duplicates = self._queued = 0
        self.awards: list[NewAward] = []
        self.rejected: list[RejectedLine] = []
        self.stopped = False
        self._stop_on_error = request.stop_on_error
        self._failed: list[FailedBadge] = []
        self._unheard: Counter[str] = Counter()

    @property
    def lines(self) -> int:
        """How many lines are settled."""
        return self.recorded + self.duplicates + len(self.rejected)

    def reject(self, data: bytes, reason: str) -> None:
        """Count the current line as refused."""
        self.rejected.append(RejectedLine(self.line, data, reason))
        self.stopped = self._stop_on_error

    def unheard(self, event: str) -> None:
        self._unheard[event] += 1

    def unearned(self, badge: Badge) -> None:
        """Nothing to count."""

    def entered(self, badge: Badge, grant: Grant, outcome: OutcomeKind, entry: JournalEntry) -> None:
        if outcome is OutcomeKind.AWARDED:
            self.awards.append(NewAward(grant, entry.number, entry.at))

    def queued(self, badge: Badge, task: int) -> None:
        self._queued += 1

    def failed(self, badge: Badge, failure: Failure, task: int | None) -> None:
        self._failed.append(FailedBadge(self.line, badge.slug, failure, task))
        self.stopped = self._stop_on_error

    def as_message(self, finished: bool) -> CommittedLines:
        """The message that reports this transaction. Send it once it is on disk."""
        counts = Counter(
            lines=self.lines,
            recorded=self.recorded,
            duplicates=self.duplicates,
            rejected=len(self.rejected),
            awarded=len(self.awards),
            queued=self._queued,
            errors=len(self._failed),
        )
        return CommittedLines(self.line, counts, self.rejected, self._failed, self._unheard, finished, self.stopped)
