"""The child's side of `fire` and `ingest`: loads the badges, opens the store, judges and records what it is sent."""

from __future__ import annotations

import time
from collections import Counter, deque
from datetime import datetime, timezone
from itertools import islice
from typing import TYPE_CHECKING

from brabeion_cli.database import connection
from brabeion_cli.domain import events, suggestions
from brabeion_cli.domain.events import Event
from brabeion_cli.domain.outcomes import AWARDED, Failure, NewAward
from brabeion_cli.engine import bootstrap, in_process
from brabeion_cli.engine.event_processor import EventProcessor
from brabeion_cli.engine.messages import Notified
from brabeion_cli.engine.notifications import notify
from brabeion_cli.errors import EventError
from brabeion_cli.ingest.messages import BlockRequest, CommittedLines, FireAnswer, FireRequest, RejectedLine, StoreReady
from brabeion_cli.project.config import Config
from brabeion_cli.project.registry import Registry
from brabeion_cli.sandbox.channel import Channel
from brabeion_cli.sandbox.guard import Guard
from brabeion_cli.sandbox.scoreboard import Scoreboard
from brabeion_cli.signals import badge_awarded
from brabeion_cli.store.store import Store

if TYPE_CHECKING:
    from brabeion_cli.base import Badge
    from brabeion_cli.domain.award_rules import Grant
    from brabeion_cli.domain.timeline import JournalEntry
    from brabeion_cli.ingest.line_reader import Block

HOLD = 0.015  # seconds for which one transaction of `ingest` holds the write lock, or one event where that takes longer
BREATH = 0.0025  # seconds between two of them, so that others get their turn
MIN_AHEAD, MAX_AHEAD = 64, 1024  # lines that are read ahead, while others may write, for the next transaction
ALONE = 10.0  # seconds, beyond all waits and time-outs, after which a child ends itself


class _DryRunError(Exception):
    """Rolls a transaction back."""


def serve(config: Config, watch: Scoreboard, channel: Channel) -> None:
    """The child's life: load the badges, open the store, answer requests."""

    def work(registry: Registry, store: Store, guard: Guard) -> None:
        in_process.adopt(config)
        recorder = Recorder(config, registry, store, guard, watch, channel)
        channel.send(StoreReady(store.created))
        while True:
            recorder.answer(channel.receive())

    bootstrap.serve(config, watch, channel, work, create=True)


class Recorder:
    def __init__(
        self, config: Config, registry: Registry, store: Store, guard: Guard, watch: Scoreboard, channel: Channel
    ) -> None:
        self._config, self._registry, self._store = config, registry, store
        self._guard, self._watch, self._channel = guard, watch, channel
        self._engine = EventProcessor(registry, store, guard, config.timezone)
        self._breathe_until, self._share = 0.0, MIN_AHEAD
        badges = max((len(registry.listening_to(event)) for event in registry.event_names), default=0)
        self._longest = connection.PATIENCE + (badges + 1) * config.award_timeout + ALONE

    def answer(self, request: FireRequest | BlockRequest) -> None:
        self._stay()
        if isinstance(request, FireRequest):
            self._fire(request)
        else:
            self._block(request)
        self._channel.end_after(None)

    def _stay(self) -> None:
        self._channel.end_after(self._longest)

    def _fire(self, request: FireRequest) -> None:
        event = request.event
        unheard = None
        if not self._registry.listening_to(event.name):
            unheard = suggestions.near_matches(event.name, self._registry.event_names)
            if request.strict:
                raise EventError(f"no badge listens to {event.name!r}{unheard}; nothing was recorded (--strict)")
        try:
            with self._engine.transaction():
                recorded = self._engine.record(event, _now(), request.doomed)
                if request.dry_run:
                    raise _DryRunError
        except _DryRunError:
            outcomes = [outcome._replace(task=None) for outcome in recorded.outcomes]
            recorded = recorded._replace(outcomes=outcomes, awards=[])
        self._channel.send(FireAnswer(recorded, unheard))
        self._announce(recorded.awards)

    def _block(self, request: BlockRequest) -> None:
        lines = request.block.lines()
        ahead: deque[tuple[int, bytes, Event | EventError]] = deque()
        finished = False
        while not finished:
            now = _now()
            for number, data in islice(lines, max(0, self._share - len(ahead))):  # while others may write
                ahead.append((number, data, self._parse(request.block, number, data, now)))
            is_last = len(ahead) < self._share
            if (rest := self._breathe_until - time.monotonic()) > 0:
                time.sleep(rest)
            self._stay()
            done = _Done(request, _now())
            with self._engine.transaction():
                release_at = time.monotonic() + HOLD
                while ahead and not done.stopped:
                    self._line(*ahead.popleft(), done)
                    if time.monotonic() >= release_at:
                        self._share = max(done.lines, MIN_AHEAD)
                        break
                else:
                    self._share = min(2 * self._share, MAX_AHEAD)
            self._breathe_until = time.monotonic() + BREATH
            finished = done.stopped or (is_last and not ahead)
            self._channel.send(done.as_slice(finished))
            self._announce(done.awards)

    def _parse(self, block: Block, number: int, data: bytes, now: datetime) -> Event | EventError:
        try:
            if not block.whole and number == block.number:
                raise EventError("the line is longer than 64 MiB; --rejects holds only so much of it")
            return events.from_line(data, now=now, max_bytes=self._config.max_state_bytes)
        except EventError as error:
            return error

    def _line(self, number: int, data: bytes, event: Event | EventError, done: _Done) -> None:
        """Record one line's event inside the transaction, and count."""
        self._watch.line = done.number = number
        try:
            if isinstance(event, EventError):
                raise event
            if self._engine.record_to(done, event, done.now, done.doomed.get(number, done.convicted)) is None:
                done.recorded += 1
            else:
                done.duplicates += 1
        except EventError as error:
            done.rejected.append(RejectedLine(number, data, str(error)))
            done.stopped = done.stop_on_error

    def _announce(self, awards: list[NewAward]) -> None:
        failures = []
        if awards and badge_awarded:
            self._store.close()  # a receiver may fire in its turn, over a connection of its own
            for award in awards:
                self._stay()
                failures += notify(self._registry, self._guard, [award])
        self._channel.send(Notified(failures))


class _Done:
    """What has been done in one transaction, as the results are told; `number` is that of the last line."""

    def __init__(self, request: BlockRequest, now: datetime) -> None:
        self.now = now
        self.doomed, self.convicted, self.stop_on_error = request.doomed, request.convicted, request.stop_on_error
        self.number = request.block.number - 1
        self.recorded = self.duplicates = self._queued = 0
        self.awards: list[NewAward] = []
        self.rejected: list[RejectedLine] = []
        self._failed: list[tuple[int, str, Failure]] = []
        self._unheard: Counter[str] = Counter()
        self.stopped = False

    @property
    def lines(self) -> int:
        """How many lines are settled."""
        return self.recorded + self.duplicates + len(self.rejected)

    def unheard(self, event: str) -> None:
        self._unheard[event] += 1

    def unearned(self, badge: Badge) -> None:
        """Nothing to count."""

    def entered(self, badge: Badge, grant: Grant, outcome: str, entry: JournalEntry) -> None:
        if outcome == AWARDED:
            self.awards.append(NewAward(grant, entry.number, entry.at))

    def queued(self, badge: Badge, task: int) -> None:
        self._queued += 1

    def failed(self, badge: Badge, failure: Failure, task: int | None) -> None:
        self._failed.append((self.number, badge.slug, failure))
        self.stopped = self.stop_on_error

    def as_slice(self, finished: bool) -> CommittedLines:
        """The answer, once it is on disk."""
        counts = Counter(
            lines=self.lines,
            recorded=self.recorded,
            duplicates=self.duplicates,
            rejected=len(self.rejected),
            awarded=len(self.awards),
            queued=self._queued,
            errors=len(self._failed),
        )
        return CommittedLines(self.number, counts, self.rejected, self._failed, self._unheard, finished, self.stopped)


def _now() -> datetime:
    return datetime.now(timezone.utc)
