"""Awards by hand: a person gives and revokes them, with a reason that stays on record."""

from __future__ import annotations

from datetime import datetime

from brabeion_cli.domain import grants
from brabeion_cli.domain.catalogue import Catalogue, CatalogueEntry
from brabeion_cli.domain.events import text_or_number
from brabeion_cli.domain.grants import NO_KEY, Grant, InvalidAwardError
from brabeion_cli.domain.outcomes import NewAward, Outcome, outcome_of
from brabeion_cli.domain.suggestions import near_matches
from brabeion_cli.domain.timestamps import moment
from brabeion_cli.engine.awarding import enter, new_awards
from brabeion_cli.errors import EventError, NoSuchAwardError, UnknownBadgeError
from brabeion_cli.store.award_log import REPLAY
from brabeion_cli.store.store import Store


def level_number(badge: CatalogueEntry, level: str | None) -> int:
    """The number of a level given by number, by name (in any case), or not at all if the badge has only one.

    Raises `UnknownBadgeError`.
    """
    for number, detail in enumerate(badge.levels, 1):
        if level is not None and number_of(level) is None and detail.name.casefold() == level.casefold():
            return number
    try:
        return grants.checked_level(badge, level if level is None else number_of(level) or level)
    except InvalidAwardError as error:
        levels = ", ".join(f"{number} {detail.name}" for number, detail in enumerate(badge.levels, 1))
        raise UnknownBadgeError(f"{error} (levels: {levels})") from None


def number_of(level: str) -> int | None:
    """The level as a number, or None if it is a name (or too long to be a level's number)."""
    return int(level) if level.isdecimal() and len(level) < 10 else None


def registered(catalogue: Catalogue, slug: str) -> CatalogueEntry:
    """The badge with that slug. Raises `UnknownBadgeError`, which names near matches."""
    badge = catalogue.get(slug)
    if badge is None:
        raise UnknownBadgeError(f"no badge {slug!r}{near_matches(slug, catalogue.slugs)}; `brabeion badges` lists them")
    return badge


def give(
    store: Store, badge: CatalogueEntry, user: str, level: int, key: str | None, *, by: str, reason: str, now: datetime
) -> tuple[list[Outcome], list[NewAward]]:
    """Give an award by hand, by the rules of the badge. Returns the outcomes, and the awards that are new.

    An award that is held or revoked stays as it is. Raises `EventError`.
    """
    user, reason, by = (text_or_number(value, what) for value, what in ((user, "user"), (reason, "reason"), (by, "by")))
    key = NO_KEY if key is None else text_or_number(key, "key")
    with store.transaction():
        # Occasions of events are positive. An award by hand gets one below all others.
        occasion = store.awards.lowest_occasion(user, badge.slug) - 1
        granted = grants.grants_of_level(badge, level, user, key, occasion)
        entered = enter(store.awards, granted, moment(now), given_by=by, reason=reason)
    outcomes = [outcome_of(each.grant, badge.detail(each.grant.level).name, each.outcome) for each in entered]
    return outcomes, new_awards(entered, moment(now))


def revoke(
    store: Store, user: str, slug: str, level: int | None, key: str | None, *, by: str, reason: str, now: datetime
) -> list[Grant]:
    """Revoke a user's awards of a badge: all, or those of a level or a key. They stay on record.

    Returns those that were held until now, which may be none. Raises `NoSuchAwardError` if there never was one, or
    `EventError`.
    """
    given = {"user": user, "badge": slug, "reason": reason, "by": by}
    user, slug, reason, by = (text_or_number(value, what) for what, value in given.items())
    if by == REPLAY:
        raise EventError(f"by is {by!r}, which stands for what `brabeion replay --prune` takes back; give another name")
    key = None if key is None else text_or_number(key, "key")
    with store.transaction():
        if not store.awards.is_on_record(user, slug, level, key):
            what = f"{slug!r}" + (f", level {level}" if level else "") + (f", key {key!r}" if key is not None else "")
            raise NoSuchAwardError(
                f"{user!r} has no award of {what}; `brabeion list --user {user}` shows what there is"
            )
        return store.awards.revoke(user, slug, level, key, at=moment(now), by=by, because=reason)
