"""`fire` and `ingest`: events go to a child process that judges and records them.

Sync badges run inside the transaction that records their event, in the process that writes. That process is a child,
so that a badge which ends it (`os._exit`, a crash in C, a hang that no time-out reaches) cannot lose the event: SQLite
rolls the transaction back, the parent sees in shared memory whose code was running, and has the event recorded anew
with that badge's evaluation put in the queue.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from brabeion_cli.domain.events import Event
from brabeion_cli.domain.outcomes import Failure
from brabeion_cli.engine.messages import Notified
from brabeion_cli.errors import LostProcessError
from brabeion_cli.ingest.messages import BlockRequest, CommittedLines, FireAnswer, FireRequest
from brabeion_cli.project.config import Config
from brabeion_cli.sandbox.channel import Channel
from brabeion_cli.sandbox.scoreboard import Scoreboard
from brabeion_cli.sandbox.supervisor import BadgeDiedError, Supervisor

if TYPE_CHECKING:
    from brabeion_cli.ingest.line_reader import Block

MAX_KILLS = 3  # after which a badge is not asked any more in this run


class IngestClient:
    """Records events by way of a child process, which is replaced when a badge takes it along."""

    def __init__(self, config: Config, created: Callable[[], None] = lambda: None) -> None:
        """`created` is called where this made the database."""
        self._tell_created = created
        self._child = Supervisor(partial(_serve, config))
        self._kills: Counter[str] = Counter()
        self._last_kill: dict[str, Failure] = {}

    def close(self) -> None:
        """End the child; what it was in the middle of is rolled back."""
        self._child.close()

    def fire(self, event: Event, *, strict: bool = False, dry_run: bool = False) -> tuple[FireAnswer, list[str]]:
        """Record one event; the answer, and what went wrong in receivers. Raises `BrabeionError`s."""
        doomed: dict[str, Failure] = {}
        while True:
            try:
                self._send(FireRequest(event, doomed, strict, dry_run))
                answer: FireAnswer = self._child.answer()
                break
            except BadgeDiedError as death:
                doomed[death.badge] = death.failure
        return answer, self._announcements()

    def ingest(self, blocks: Iterable[Block], *, stop_on_error: bool = False) -> Iterator[CommittedLines | Notified]:
        """Record the events of lines; yields what each transaction did, after it is on disk."""
        for block in blocks:
            doomed: dict[int, dict[str, Failure]] = {}
            done, finished = block.number - 1, False
            while not finished:
                try:
                    self._send(self._block_request(block.after(done), doomed, stop_on_error))
                    while not finished and self._child.running:
                        answer: CommittedLines = self._child.answer()
                        done, finished = answer.done, answer.finished
                        yield answer
                        if failures := self._announcements():
                            yield Notified(failures)
                        if answer.stopped:
                            return
                except BadgeDiedError as death:
                    self._convict(death)
                    doomed.setdefault(death.line, {})[death.badge] = death.failure

    def left(self) -> Iterator[CommittedLines | Notified]:
        """What was done, and not yet told, when `ingest` was interrupted."""
        return (answer for answer in self._child.left() if isinstance(answer, (CommittedLines, Notified)))

    def start(self) -> None:
        """Start the child where there is none: load the badges, open the store. Raises `BrabeionError`s."""
        if not self._child.running and self._child.start().created:
            self._tell_created()

    def _send(self, request: FireRequest | BlockRequest) -> None:
        self.start()
        self._child.send(request)

    def _announcements(self) -> list[str]:
        """Awaits the receivers. They run after the commit: one that ends the child hurts nothing that is recorded."""
        try:
            announced: Notified = self._child.answer()
            return announced.failures
        except BadgeDiedError as death:
            return [f"a receiver of badge_awarded (for badge {death.badge!r}) never came back: {death}"]
        except LostProcessError as error:
            return [f"receivers of badge_awarded: {error.__cause__}"]

    def _convict(self, death: BadgeDiedError) -> None:
        self._kills[death.badge] += 1
        self._last_kill[death.badge] = death.failure

    def _block_request(self, block: Block, doomed: dict[int, dict[str, Failure]], stop_on_error: bool) -> BlockRequest:
        """Badges that have ended the child too often are not asked on any line."""
        convicted = {
            badge: Failure(
                f"not asked: it ended its process {MAX_KILLS} times in this run ({self._last_kill[badge].error})"
            )
            for badge, kills in self._kills.items()
            if kills >= MAX_KILLS
        }
        return BlockRequest(
            block, {line: convicted | badges for line, badges in doomed.items()}, convicted, stop_on_error
        )


def _serve(config: Config, watch: Scoreboard, channel: Channel) -> None:
    """The child's life. What knows the store is loaded here: the parent does not need it."""
    from brabeion_cli.ingest import recorder

    recorder.serve(config, watch, channel)
