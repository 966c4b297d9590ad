"""The child's side of `fire` and `ingest`: loads the badges, opens the store, judges and records what it is sent."""

from __future__ import annotations

import time
from collections import Counter
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from brabeion_cli import application, events, serving, sqlite
from brabeion_cli.announcing import announce
from brabeion_cli.channel import Channel
from brabeion_cli.config import Config
from brabeion_cli.engine import Engine
from brabeion_cli.errors import EventError
from brabeion_cli.events import Event
from brabeion_cli.isolation import Failure, Guard
from brabeion_cli.messages import Announced, BatchRequest, FireAnswer, FireRequest, Ready, Slice
from brabeion_cli.outcomes import QUEUED, NewAward, Recorded
from brabeion_cli.registry import Registry
from brabeion_cli.signals import badge_awarded
from brabeion_cli.store import Store
from brabeion_cli.watch import SharedWatch

if TYPE_CHECKING:
    from brabeion_cli.lines import Line

HOLD = 0.020  # seconds for which one transaction of `ingest` holds the write lock, or one event where that takes longer
BREATH = 0.0025  # seconds between two of them, so that others get their turn
ALONE = 10.0  # seconds, beyond all waits and time-outs, after which a child ends itself


class _DryRunError(Exception):
    """Rolls a transaction back."""


def serve(config: Config, watch: SharedWatch, channel: Channel) -> None:
    """The child's life: load the badges, open the store, answer requests."""

    def work(registry: Registry, store: Store, guard: Guard) -> None:
        application.adopt(config)
        recorder = Recorder(config, registry, store, guard, watch, channel)
        channel.send(Ready(store.created))
        while True:
            recorder.answer(channel.receive())

    serving.serve(config, watch, channel, work, create=True)


class Recorder:
    def __init__(
        self, config: Config, registry: Registry, store: Store, guard: Guard, watch: SharedWatch, channel: Channel
    ) -> None:
        self._config, self._registry, self._store = config, registry, store
        self._guard, self._watch, self._channel = guard, watch, channel
        self._engine = Engine(registry, store, guard, watch, config.timezone)
        self._breathe_until = 0.0
        badges = max((len(registry.listening_to(event)) for event in registry.event_names), default=0)
        self._longest = sqlite.PATIENCE + (badges + 1) * config.award_timeout + ALONE

    def answer(self, request: FireRequest | BatchRequest) -> None:
        self._stay()
        if isinstance(request, FireRequest):
            self._fire(request)
        else:
            self._batch(request)
        self._channel.end_after(None)

    def _stay(self) -> None:
        self._channel.end_after(self._longest)

    def _fire(self, request: FireRequest) -> None:
        event = request.event
        unheard = None
        if not self._registry.listening_to(event.name):
            unheard = events.near_matches(event.name, self._registry.event_names)
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

    def _batch(self, request: BatchRequest) -> None:
        from brabeion_cli.lines import Line

        now = _now()
        lines = [*map(Line._make, request.lines)]
        parsed = [self._parse(line, now) for line in lines]  # before others have to wait
        index = 0
        while index < len(parsed):
            time.sleep(max(0.0, self._breathe_until - time.monotonic()))
            self._stay()
            done = _Done(request, _now())
            with self._engine.transaction():
                release_at = time.monotonic() + HOLD
                while index < len(parsed) and not done.stopped:
                    self._line(lines[index], parsed[index], done)
                    index += 1
                    if time.monotonic() >= release_at:
                        break
            self._breathe_until = time.monotonic() + BREATH
            self._channel.send(done.as_slice(index - 1))
            self._announce(done.awards)
            if done.stopped:
                return

    def _parse(self, line: Line, now: datetime) -> Event | EventError:
        try:
            if not line.whole:
                raise EventError("the line is longer than 64 MiB; --rejects holds only so much of it")
            return events.from_line(line.text, now=now, max_bytes=self._config.max_state_bytes)
        except EventError as error:
            return error

    def _line(self, line: Line, event: Event | EventError, done: _Done) -> None:
        """Record one line's event inside the transaction, and count."""
        self._watch.line = line.number
        try:
            if isinstance(event, EventError):
                raise event
            recorded = self._engine.record(event, done.now, done.doomed.get(line.number))
        except EventError as error:
            done.rejected.append((line, str(error)))
            done.stopped = done.stop_on_error
            return
        done.add(line, recorded)
        if not recorded.outcomes and not self._registry.listening_to(event.name):
            done.unheard[event.name] += 1

    def _announce(self, awards: list[NewAward]) -> None:
        failures = []
        if awards and badge_awarded:
            self._store.close()  # a receiver may fire in its turn, over a connection of its own
            for award in awards:
                self._stay()
                failures += announce(self._registry, self._guard, [award], self._watch)
        self._channel.send(Announced(failures))


class _Done:
    """What has been done in one transaction."""

    def __init__(self, request: BatchRequest, now: datetime) -> None:
        self.now = now
        self.doomed, self.stop_on_error = request.doomed, request.stop_on_error
        self.recorded = self.duplicates = self.queued = 0
        self.awards: list[NewAward] = []
        self.rejected: list[tuple[Line, str]] = []
        self.failed: list[tuple[int, str, Failure]] = []
        self.unheard: Counter[str] = Counter()
        self.stopped = False

    def add(self, line: Line, recorded: Recorded) -> None:
        """Count an event that is recorded, or was before."""
        if recorded.duplicate:
            self.duplicates += 1
            return
        self.recorded += 1
        self.awards += recorded.awards
        for outcome in recorded.outcomes:
            if outcome.outcome == QUEUED:
                self.queued += 1
            elif outcome.error is not None:
                self.failed.append((line.number, outcome.badge, Failure(outcome.error, outcome.where)))
                self.stopped = self.stop_on_error

    def as_slice(self, index: int) -> Slice:
        """The answer, once it is on disk; `index` is that of the last line."""
        counts = Counter(
            lines=self.recorded + self.duplicates + len(self.rejected),
            recorded=self.recorded,
            duplicates=self.duplicates,
            rejected=len(self.rejected),
            awarded=len(self.awards),
            queued=self.queued,
            errors=len(self.failed),
        )
        return Slice(index, counts, self.rejected, self.failed, self.unheard, self.stopped)


def _now() -> datetime:
    return datetime.now(timezone.utc)
