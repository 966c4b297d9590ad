"""What the parent and the child of `fire` and `ingest` tell each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from brabeion_cli.domain.events import Event
from brabeion_cli.domain.outcomes import Failure, RecordedEvent

if TYPE_CHECKING:
    from brabeion_cli.ingest.line_reader import Block

FailedBadges = Mapping[str, Failure]
"""Badges that are not to be asked, with the failure that stands as their answer."""


class StoreReady(NamedTuple):
    """The child has loaded the badges and opened the store; `created` where that made the database."""

    created: bool


class FireRequest(NamedTuple):
    """Record one event."""

    event: Event
    doomed: FailedBadges
    strict: bool
    dry_run: bool


class FireAnswer(NamedTuple):
    """An event is recorded (or would be). `unheard` has near matches where no badge listens to it, else None."""

    recorded: RecordedEvent
    unheard: str | None


class BlockRequest(NamedTuple):
    """Record the events of a block of lines. `doomed` has the badges that are not asked on some of its lines,
    `convicted` those of all others.
    """

    block: Block
    doomed: Mapping[int, FailedBadges]
    convicted: FailedBadges
    stop_on_error: bool


class RejectedLine(NamedTuple):
    """A line that was refused: its number, what was on it, and why."""

    number: int
    data: bytes
    reason: str


class CommittedLines(NamedTuple):
    """What one transaction of `ingest` did: the lines up to number `done` are settled. `finished` where none is left of
    the block, or none is to be looked at (`stopped`).
    """

    done: int
    counts: Counter[str]
    rejected: list[RejectedLine]
    failed: list[tuple[int, str, Failure]]
    unheard: Counter[str]
    finished: bool
    stopped: bool
