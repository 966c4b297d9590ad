"""Messages between the parent process and the child process of `fire` and `ingest`."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from brabeion_cli.domain.events import Event
from brabeion_cli.domain.outcomes import Failure, RecordedEvent
from brabeion_cli.sandbox.quarantine import Exclusions

if TYPE_CHECKING:
    from brabeion_cli.ingest.line_reader import Block


class StoreReady(NamedTuple):
    """The child has loaded the badges and opened the store; `created` if it created the database."""

    created: bool


class FireRequest(NamedTuple):
    """Record one event."""

    event: Event
    exclusions: Exclusions
    strict: bool
    dry_run: bool


class FireAnswer(NamedTuple):
    """An event is recorded (or would be). `unheard` is None if a badge listens to it, else text with near matches."""

    recorded: RecordedEvent
    unheard: str | None


class BlockRequest(NamedTuple):
    """Record the events of a block of lines."""

    block: Block
    exclusions: Exclusions
    stop_on_error: bool


class RejectedLine(NamedTuple):
    """A refused line: its number, its text, and why."""

    number: int
    data: bytes
    reason: str


class FailedBadge(NamedTuple):
    """A badge that failed for the event of a line. `task` is the number of its next try, None if there is none."""

    line: int
    slug: str
    failure: Failure
    task: int | None


class CommittedLines(NamedTuple):
    """What one transaction of `ingest` did: the lines up to number `done` are settled.

    `finished` if no line of the block is left. `stopped` if an error ended the run; then the rest is not read.
    """

    done: int
    counts: Counter[str]
    rejected: list[RejectedLine]
    failed: list[FailedBadge]
    unheard: Counter[str]
    finished: bool
    stopped: bool
