"""`fire` and `ingest` in the command's own process: a child process records the events, and no event gets lost.

Sync badges run in the process that writes, inside the transaction that records their event. A badge may end that
process (`os._exit`, a crash in C, a hang that no time-out reaches). Then SQLite rolls the transaction back. The parent
process reads on the scoreboard which badge was running, and has the event recorded again. This time the evaluation of
that badge goes into the queue.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from brabeion_cli.domain.events import Event
from brabeion_cli.errors import LostProcessError
from brabeion_cli.ingest.messages import BlockRequest, CommittedLines, FireAnswer, FireRequest
from brabeion_cli.project.config import Config
from brabeion_cli.runtime.messages import Notified, receivers_lost
from brabeion_cli.sandbox.channel import Channel
from brabeion_cli.sandbox.quarantine import Quarantine
from brabeion_cli.sandbox.scoreboard import Scoreboard
from brabeion_cli.sandbox.supervisor import BadgeDiedError, Supervisor

if TYPE_CHECKING:
    from brabeion_cli.ingest.line_reader import Block


class IngestClient:
    """Has a child process record events. If a badge ends the child, a new one takes over."""

    def __init__(self, config: Config, created: Callable[[], None] = lambda: None) -> None:
        """`created` is called if the child created the database."""
        self._on_created = created
        self._supervisor = Supervisor(partial(_record_events, config))
        self._quarantine = Quarantine()

    def close(self) -> None:
        """End the child. A transaction that it has open is rolled back."""
        self._supervisor.close()

    def fire(self, event: Event, *, strict: bool = False, dry_run: bool = False) -> tuple[FireAnswer, list[str]]:
        """Record one event. Returns the answer and a line for each receiver that failed. Raises `BrabeionError`s."""
        while True:
            try:
                self._send(FireRequest(event, self._quarantine.exclusions, strict, dry_run))
                answer: FireAnswer = self._supervisor.answer()
                return answer, self._notified()
            except BadgeDiedError as death:
                self._quarantine.add(death)

    def ingest(self, blocks: Iterable[Block], *, stop_on_error: bool = False) -> Iterator[CommittedLines | Notified]:
        """Record the events of lines. Yields what each transaction did, once it is on disk."""
        for block in blocks:
            done, finished = block.number - 1, False
            while not finished:
                try:
                    self._send(BlockRequest(block.after(done), self._quarantine.exclusions, stop_on_error))
                    while not finished and self._supervisor.running:
                        answer: CommittedLines = self._supervisor.answer()
                        done, finished = answer.done, answer.finished
                        yield answer
                        if failures := self._notified():
                            yield Notified(failures)
                        if answer.stopped:
                            return
                except BadgeDiedError as death:
                    self._quarantine.add(death)

    def pending_answers(self) -> Iterator[CommittedLines | Notified]:
        """What was done but not yet yielded when `ingest` was interrupted."""
        return (
            answer for answer in self._supervisor.pending_answers() if isinstance(answer, (CommittedLines, Notified))
        )

    def start(self) -> None:
        """Start the child if there is none: load the badges, open the store. Raises `BrabeionError`s."""
        if not self._supervisor.running and self._supervisor.start().created:
            self._on_created()

    def _send(self, request: FireRequest | BlockRequest) -> None:
        self.start()
        self._supervisor.send(request)

    def _notified(self) -> list[str]:
        """Wait for the receivers. They run after the commit: if one ends the child, nothing recorded is lost."""
        try:
            notified: Notified = self._supervisor.answer()
            return notified.failures
        except (BadgeDiedError, LostProcessError) as error:
            return [receivers_lost(error)]


def _record_events(config: Config, scoreboard: Scoreboard, channel: Channel) -> None:
    """Run the child. The import is here because only the child needs the store's modules."""
    from brabeion_cli.ingest import recorder

    recorder.record_events(config, scoreboard, channel)
