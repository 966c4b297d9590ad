"""The child process of `fire` and `ingest`: loads the badges, opens the store, and records the events it is sent."""

from __future__ import annotations

import time
from collections import deque
from datetime import datetime, timezone
from itertools import islice
from typing import TYPE_CHECKING

from brabeion_cli.database import connection
from brabeion_cli.domain import events, suggestions
from brabeion_cli.domain.events import Event
from brabeion_cli.domain.outcomes import NewAward
from brabeion_cli.engine.event_processor import EventProcessor
from brabeion_cli.engine.notifications import notify
from brabeion_cli.engine.session import Session
from brabeion_cli.errors import EventError
from brabeion_cli.ingest.messages import BlockRequest, FireAnswer, FireRequest, StoreReady
from brabeion_cli.ingest.transaction_report import TransactionReport
from brabeion_cli.project.config import Config
from brabeion_cli.runtime import bootstrap
from brabeion_cli.runtime.messages import Notified
from brabeion_cli.sandbox.channel import Channel
from brabeion_cli.sandbox.quarantine import Exclusions
from brabeion_cli.sandbox.scoreboard import Scoreboard
from brabeion_cli.signals import badge_awarded

if TYPE_CHECKING:
    from brabeion_cli.ingest.line_reader import Block

#: Seconds that a transaction of `ingest` holds the write lock; longer if a single event takes longer.
LOCK_SECONDS = 0.015
PAUSE_SECONDS = 0.0025  # seconds between two transactions, so that others get the lock
MIN_AHEAD, MAX_AHEAD = 64, 1024  # lines to parse for the next transaction while others may write
ORPHAN_RESERVE = 10.0  # seconds on top of all waits and time-outs, after which a child ends itself


#: A line's number, its text, and its event or what is wrong with it. It is a plain tuple because a named one for each
#: line makes `ingest` 1 % slower.
ParsedLine = tuple[int, bytes, Event | EventError]


class _DryRunError(Exception):
    """Rolls a transaction back."""


def record_events(config: Config, scoreboard: Scoreboard, channel: Channel) -> None:
    """Run the child: answer requests until there are none."""

    def work(session: Session) -> None:
        recorder = Recorder(config, session, scoreboard, channel)
        channel.send(StoreReady(session.store.created))
        while True:
            recorder.answer(channel.receive())

    bootstrap.run_session(config, scoreboard, channel, work, create=True)


class Recorder:
    """Answers `FireRequest` with `FireAnswer`, and `BlockRequest` with `CommittedLines` for each transaction.

    After each of these it calls the receivers and sends `Notified`.
    """

    def __init__(self, config: Config, session: Session, scoreboard: Scoreboard, channel: Channel) -> None:
        self._config, self._session = config, session
        self._scoreboard, self._channel = scoreboard, channel
        self._processor = EventProcessor(session)
        self._breathe_until, self._ahead = 0.0, MIN_AHEAD
        registry = session.registry
        badges = max((len(registry.listening_to(event)) for event in registry.event_names), default=0)
        self._longest = connection.PATIENCE + (badges + 1) * config.award_timeout + ORPHAN_RESERVE

    def answer(self, request: FireRequest | BlockRequest) -> None:
        """Do what is requested, and send the result."""
        self._extend_deadline()
        if isinstance(request, FireRequest):
            self._fire(request)
        else:
            self._record_block(request)
        self._channel.end_after(None)

    def _extend_deadline(self) -> None:
        """Let this child live for as long as the next step may take."""
        self._channel.end_after(self._longest)

    def _fire(self, request: FireRequest) -> None:
        event, registry = request.event, self._session.registry
        unheard = None
        if not registry.listening_to(event.name):
            unheard = suggestions.near_matches(event.name, registry.event_names)
            if request.strict:
                raise EventError(f"no badge listens to {event.name!r}{unheard}; nothing was recorded (--strict)")
        self._session.guard.excluded = request.exclusions.at(0)
        try:
            with self._processor.transaction():
                recorded = self._processor.record(event, _now())
                if request.dry_run:
                    raise _DryRunError
        except _DryRunError:
            outcomes = [outcome._replace(task=None) for outcome in recorded.outcomes]
            recorded = recorded._replace(outcomes=outcomes, awards=[])
        self._channel.send(FireAnswer(recorded, unheard))
        self._notify(recorded.awards)

    def _record_block(self, request: BlockRequest) -> None:
        self._session.guard.excluded = request.exclusions.elsewhere
        lines = request.block.lines()
        ahead: deque[ParsedLine] = deque()
        finished = False
        while not finished:
            now = _now()
            for number, data in islice(lines, max(0, self._ahead - len(ahead))):  # while others may write
                ahead.append((number, data, self._parse(request.block, number, data, now)))
            is_last = len(ahead) < self._ahead
            if (rest := self._breathe_until - time.monotonic()) > 0:
                time.sleep(rest)
            self._extend_deadline()
            report = TransactionReport(request, _now())
            with self._processor.transaction():
                release_at = time.monotonic() + LOCK_SECONDS
                while ahead and not report.stopped:
                    self._record_line(*ahead.popleft(), report, request.exclusions)
                    if time.monotonic() >= release_at:
                        self._ahead = max(report.lines, MIN_AHEAD)
                        break
                else:
                    self._ahead = min(2 * self._ahead, MAX_AHEAD)
            self._breathe_until = time.monotonic() + PAUSE_SECONDS
            finished = report.stopped or (is_last and not ahead)
            self._channel.send(report.as_message(finished))
            self._notify(report.awards)

    def _parse(self, block: Block, number: int, data: bytes, now: datetime) -> Event | EventError:
        try:
            if not block.whole and number == block.number:
                raise EventError("the line is longer than 64 MiB; --rejects holds only so much of it")
            return events.from_line(data, now=now, max_bytes=self._config.max_state_bytes)
        except EventError as error:
            return error

    def _record_line(
        self, number: int, data: bytes, event: Event | EventError, report: TransactionReport, exclusions: Exclusions
    ) -> None:
        """Record one line's event inside the transaction, and count the result."""
        self._scoreboard.line = report.line = number
        if exclusions.at_lines:
            self._session.guard.excluded = exclusions.at(number)
        try:
            if isinstance(event, EventError):
                raise event
            if self._processor.record_to(report, event, report.now) is None:
                report.recorded += 1
            else:
                report.duplicates += 1
        except EventError as error:
            report.reject(data, str(error))

    def _notify(self, awards: list[NewAward]) -> None:
        """Call the receivers, one award at a time."""
        failures = []
        if awards and badge_awarded:
            self._session.store.close()  # a receiver may fire an event over a connection of its own
            for award in awards:
                self._extend_deadline()
                failures += notify(self._session.registry, self._session.guard, [award])
        self._channel.send(Notified(failures))


def _now() -> datetime:
    return datetime.now(timezone.utc)
