"""Awards by hand: given and taken back by a person, with a reason that stays on record."""

from __future__ import annotations

from datetime import datetime

from brabeion_cli import grants
from brabeion_cli.base import Badge
from brabeion_cli.errors import NoSuchAwardError, UnknownBadgeError
from brabeion_cli.events import moment, near_matches, text_or_number
from brabeion_cli.grants import ANY_OCCASION, NO_KEY, Grant, WrongAnswerError
from brabeion_cli.models import Award
from brabeion_cli.outcomes import AWARDED, HELD, REVOKED, Outcome, outcome_of
from brabeion_cli.registry import Registry
from brabeion_cli.store import Store


def level_number(badge: Badge, level: str | None) -> int:
    """A level by number, by name (in any case), or the only one. Raises `UnknownBadgeError`."""
    names = [badge.detail(number).name for number in range(1, len(badge.levels) + 1)]
    for number, name in enumerate(names, 1):
        if level is not None and name.casefold() == level.casefold():
            return number
    try:
        return grants.checked_level(badge, int(level) if level is not None and level.isdecimal() else level)
    except WrongAnswerError as error:
        levels = ", ".join(f"{number} {name}" for number, name in enumerate(names, 1))
        raise UnknownBadgeError(f"{error} (levels: {levels})") from None


def registered(registry: Registry, slug: str) -> Badge:
    """The badge with that slug. Raises `UnknownBadgeError` with near matches."""
    badge = registry.get(slug)
    if badge is None:
        raise UnknownBadgeError(f"no badge {slug!r}{near_matches(slug, registry.slugs)}; `brabeion badges` lists them")
    return badge


def give(
    store: Store, badge: Badge, user: str, level: int, key: str | None, *, by: str, reason: str, now: datetime
) -> list[Outcome]:
    """Give an award by hand; with a cumulative badge the lower levels too. What is held or was revoked stays so."""
    user, reason, by = (text_or_number(value, what) for value, what in ((user, "user"), (reason, "reason"), (by, "by")))
    key = NO_KEY if key is None else text_or_number(key, "key")
    outcomes = []
    with store.transaction():
        occasion = _next_occasion(user, badge) if badge.multiple and key == NO_KEY else ANY_OCCASION
        for number in range(1, level + 1) if badge.cumulative else (level,):
            grant = Grant(user, badge.slug, number, key, occasion)
            if store.add_award(grant, moment(now), None, by, reason):
                outcomes.append(outcome_of(grant, badge, AWARDED))
            elif number == level:
                outcomes.append(outcome_of(grant, badge, REVOKED if store.is_revoked(grant) else HELD))
    return outcomes


def revoke(
    store: Store, user: str, slug: str, level: int | None, key: str | None, *, by: str, reason: str, now: datetime
) -> list[Award]:
    """Revoke a user's awards of a badge: all, or those of a level or a key. They stay on record.

    Returns those that were held until now; empty where all of them were revoked before. Raises `NoSuchAwardError`
    where there never was one.
    """
    reason, by = text_or_number(reason, "reason"), text_or_number(by, "by")
    chosen = (Award.user == user) & (Award.badge == slug)
    if level is not None:
        chosen &= Award.level == level
    if key is not None:
        chosen &= Award.key == key
    with store.transaction():
        found = list(Award.select().where(chosen).order_by(Award.level, Award.key, Award.occasion))
        if not found:
            what = f"{slug!r}" + (f", level {level}" if level else "") + (f", key {key!r}" if key is not None else "")
            raise NoSuchAwardError(
                f"{user!r} has no award of {what}; `brabeion list --user {user}` shows what there is"
            )
        held = chosen & Award.revoked_at.is_null()
        Award.update(revoked_at=moment(now), revoked_by=by, revoked_because=reason).where(held).execute()
    return [award for award in found if award.revoked_at is None]


def _next_occasion(user: str, badge: Badge) -> int:
    """Below all others: occasions from events are their numbers, which are positive."""
    lowest = Award.select(Award.occasion).where((Award.user == user) & (Award.badge == badge.slug))
    return min([row.occasion for row in lowest] + [0]) - 1
