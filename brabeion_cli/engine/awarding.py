"""Enters what badges grant, and makes an award into an event for badges that listen to awards."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from brabeion_cli.domain.events import BADGE_AWARDED
from brabeion_cli.domain.grants import Grant
from brabeion_cli.domain.outcomes import NewAward, OutcomeKind
from brabeion_cli.domain.timeline import JournalEntry
from brabeion_cli.engine.write_cache import WriteCache
from brabeion_cli.store.award_log import AwardLog, award_state

MAX_DEPTH = 20  # awards in a row that may lead to one another; a longer chain is taken to be endless


class Entered(NamedTuple):
    """A grant that was entered, and what became of it.

    `dated_back` says whether a later event had earned it and it is now dated to this event.
    """

    grant: Grant
    outcome: OutcomeKind
    dated_back: bool = False


def enter(
    log: AwardLog | WriteCache,
    granted: Iterable[Grant],
    at: str,
    *,
    event_number: int | None = None,
    given_by: str | None = None,
    reason: str | None = None,
    belated: bool = False,
) -> list[Entered]:
    """Enter grants that an event earned or a person gives. Returns those that are worth reporting.

    A lower level that a cumulative badge grants, and that is held already, is not. With `belated`, later events may
    have been evaluated before this one: if one of them earned the same award, it is dated back to this event.
    """
    entered = []
    for grant in granted:
        outcome = log.enter(grant, at, event_number, given_by, reason)
        held = outcome is OutcomeKind.HELD
        dated_back = held and belated and event_number is not None and log.date_back(grant, at, event_number)
        if not held or dated_back or not grant.implied:
            entered.append(Entered(grant, outcome, dated_back))
    return entered


def new_awards(entered: Sequence[Entered], at: str, event_number: int | None = None) -> list[NewAward]:
    """The entered grants that are new awards."""
    return [NewAward(each.grant, event_number, at) for each in entered if each.outcome is OutcomeKind.AWARDED]


def award_entry(log: AwardLog, grant: Grant, level_name: str | None, entry: JournalEntry) -> JournalEntry:
    """An award on record as a `badge_awarded` event. `entry` is the event that earned it."""
    on_record = log.get(grant)
    assert on_record is not None
    return award_entry_at(on_record.position, grant, level_name, entry)


def award_entry_at(position: int, grant: Grant, level_name: str | None, entry: JournalEntry) -> JournalEntry:
    """As `award_entry`, for an award whose position among the awards of `entry` is known."""
    return entry._replace(
        name=BADGE_AWARDED,
        user=grant.user,
        state_json=award_state(grant.slug, grant.level, level_name, grant.key),
        position=position,
        depth=entry.depth + 1,
    )


class EndlessAwardsError(Exception):
    """Awards lead to awards without an end."""


def require_end(entry: JournalEntry) -> None:
    """Refuse an award if too many others led to it. Raises `EndlessAwardsError`."""
    if entry.depth > MAX_DEPTH:
        raise EndlessAwardsError(
            f"not asked: an award led to an award {MAX_DEPTH} times in a row; a badge that listens to {BADGE_AWARDED} "
            "must not award endlessly for its own awards or those of another such badge"
        )
