"""What the parent and the child of `fire` and `ingest` tell each other."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from brabeion_cli.domain.events import Event
from brabeion_cli.domain.outcomes import Failure, RecordedEvent
from brabeion_cli.sandbox.quarantine import Exclusions

if TYPE_CHECKING:
    from brabeion_cli.ingest.line_reader import Block


class StoreReady(NamedTuple):
    """The child has loaded the badges and opened the store; `created` where that made the database."""

    created: bool


class FireRequest(NamedTuple):
    """Record one event."""

    event: Event
    exclusions: Exclusions
    strict: bool
    dry_run: bool


class FireAnswer(NamedTuple):
    """An event is recorded (or would be). `unheard` has near matches where no badge listens to it, else None."""

    recorded: RecordedEvent
    unheard: str | None


class BlockRequest(NamedTuple):
    """Record the events of a block of lines."""

    block: Block
    exclusions: Exclusions
    stop_on_error: bool


class RejectedLine(NamedTuple):
    """A line that was refused: its number, what was on it, and why."""

    number: int
    data: bytes
    reason: str


class FailedBadge(NamedTuple):
    """A badge that failed for the event of a line."""

    line: int
    slug: str
    failure: Failure


class CommittedLines(NamedTuple):
    """What one transaction of `ingest` did: the lines up to number `done` are settled. `finished` where none is left of
    the block, or none is to be looked at (`stopped`).
    """

    done: int
    counts: Counter[str]
    rejected: list[RejectedLine]
    failed: list[FailedBadge]
    unheard: Counter[str]
    finished: bool
    stopped: bool
