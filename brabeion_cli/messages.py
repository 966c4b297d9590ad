"""What the parent and the child of `fire` and `ingest` tell each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from brabeion_cli.events import Event
from brabeion_cli.isolation import Failure
from brabeion_cli.outcomes import Recorded

if TYPE_CHECKING:
    from brabeion_cli.lines import Line

Doomed = Mapping[str, Failure]
"""Badges that are not to be asked, with the failure that stands as their answer."""


class Ready(NamedTuple):
    """The child has loaded the badges and opened the store; `created` where that made the database."""

    created: bool


class FireRequest(NamedTuple):
    """Record one event."""

    event: Event
    doomed: Doomed
    strict: bool
    dry_run: bool


class FireAnswer(NamedTuple):
    """An event is recorded (or would be). `unheard` has near matches where no badge listens to it, else None."""

    recorded: Recorded
    unheard: str | None


class BatchRequest(NamedTuple):
    """Record the events of some lines, which travel as plain tuples."""

    lines: list[tuple[int, bytes, bool]]
    doomed: dict[int, dict[str, Failure]]
    stop_on_error: bool


class Slice(NamedTuple):
    """What one transaction of `ingest` did: lines up to and with the index `done` are settled."""

    done: int
    counts: Counter[str]
    rejected: list[tuple[Line, str]]
    failed: list[tuple[int, str, Failure]]
    unheard: Counter[str]
    stopped: bool = False


class Announced(NamedTuple):
    """Receivers of `badge_awarded` have been called, and some failed."""

    failures: list[str]
