"""How far a user is on the way to each badge that has a `progress()`."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any, NamedTuple

from brabeion_cli import locations
from brabeion_cli.base import Badge, Progress
from brabeion_cli.domain.outcomes import Failure
from brabeion_cli.domain.timeline import END
from brabeion_cli.domain.timestamps import moment
from brabeion_cli.engine.history import History
from brabeion_cli.engine.session import Session
from brabeion_cli.sandbox.guard import BadgeFailedError

Row = dict[str, Any]


class FailedProgress(NamedTuple):
    """A badge whose `progress()` failed."""

    slug: str
    failure: Failure


class ProgressReport(NamedTuple):
    """Rows (badge, level, level_name, current, target, share, held) and failures.

    The closest target comes first; targets that are reached come last.
    """

    rows: list[Row]
    failures: list[FailedProgress]


def measure_progress(session: Session, user: str, now: datetime) -> ProgressReport:
    """Ask every badge that has a `progress()`."""
    rows, failures = [], []
    for badge in session.registry:
        try:
            if hasattr(badge, "progress"):
                rows += _rows(session, badge, user, now)
        except BadgeFailedError as error:
            failures.append(FailedProgress(badge.slug, error.failure))
    return ProgressReport(sorted(rows, key=lambda row: (row["share"] >= 1, -row["share"])), failures)


def _rows(session: Session, badge: Badge, user: str, now: datetime) -> list[Row]:
    last = session.journal.latest(user, badge.events, END)
    # As of now, or of the last event if that is dated later.
    at = moment(now) if last is None else max(moment(now), last.at)
    asof = END._replace(at=at)
    history = History(session.journal, user, last, asof)
    state = {**(history.event.state if history.event is not None else {}), "user": user}
    ask = session.guard.call
    known = ask(badge, lambda: _checked(badge, badge.progress(history, **state)))  # type: ignore[attr-defined]
    if isinstance(known, str):
        location = locations.of_class(type(badge), "progress")
        raise BadgeFailedError(Failure(known, None if location is None else location.short()))
    if known is None:
        return []
    level = known.level if known.level is not None else 1 if len(badge.levels) == 1 else None
    return [
        {
            "badge": badge.slug,
            "level": level,
            "level_name": None if level is None else badge.detail(level).name,
            "current": known.current,
            "target": known.target,
            "share": math.floor(min(max(known.current / known.target, 0.0), 1.0) * 10**6) / 10**6,
            "held": session.journal.awards.holds(user, badge.slug, level, asof),
        }
    ]


def _checked(badge: Badge, answer: object) -> Progress | str | None:
    """What `progress()` returned, or text that says what is wrong with it."""
    if answer is None:
        return None
    if isinstance(answer, Progress):
        current, target, level = answer
        if (
            _is_number(current)
            and _is_number(target)
            and target > 0
            and level in (None, *range(1, len(badge.levels) + 1))
        ):
            return Progress(current + 0, target + 0, level)  # plain numbers
    return (
        f"progress() of badge {badge.slug!r} returned {answer!r:.120}; it must return Progress(current, target), "
        "two numbers, the second above 0, or None"
    )


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
