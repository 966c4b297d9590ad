"""Awards by hand: given and taken back by a person, with a reason that stays on record."""

from __future__ import annotations

from datetime import datetime

from brabeion_cli.base import Badge
from brabeion_cli.database.models import AwardRow
from brabeion_cli.domain import award_rules
from brabeion_cli.domain.award_rules import NO_KEY, WrongAnswerError
from brabeion_cli.domain.events import text_or_number
from brabeion_cli.domain.outcomes import NewAward, Outcome, outcome_of
from brabeion_cli.domain.suggestions import near_matches
from brabeion_cli.domain.timestamps import moment
from brabeion_cli.engine.awarding import enter, new_awards
from brabeion_cli.errors import EventError, NoSuchAwardError, UnknownBadgeError
from brabeion_cli.project.registry import Registry
from brabeion_cli.store.award_log import REPLAY
from brabeion_cli.store.store import Store


def level_number(badge: Badge, level: str | None) -> int:
    """A level by number, by name (in any case), or the only one. Raises `UnknownBadgeError`."""
    names = [badge.detail(number).name for number in range(1, len(badge.levels) + 1)]
    for number, name in enumerate(names, 1):
        if level is not None and number_of(level) is None and name.casefold() == level.casefold():
            return number
    try:
        return award_rules.checked_level(badge, level if level is None else number_of(level) or level)
    except WrongAnswerError as error:
        levels = ", ".join(f"{number} {name}" for number, name in enumerate(names, 1))
        raise UnknownBadgeError(f"{error} (levels: {levels})") from None


def number_of(level: str) -> int | None:
    """The number that a level was given as, None where it is a name (or no level of anything)."""
    return int(level) if level.isdecimal() and len(level) < 10 else None


def registered(registry: Registry, slug: str) -> Badge:
    """The badge with that slug. Raises `UnknownBadgeError` with near matches."""
    badge = registry.get(slug)
    if badge is None:
        raise UnknownBadgeError(f"no badge {slug!r}{near_matches(slug, registry.slugs)}; `brabeion badges` lists them")
    return badge


def give(
    store: Store, badge: Badge, user: str, level: int, key: str | None, *, by: str, reason: str, now: datetime
) -> tuple[list[Outcome], list[NewAward]]:
    """Give an award by hand, by the rules of the badge; what is held or was revoked stays so. The outcomes, and the
    awards that are new.
    """
    user, reason, by = (text_or_number(value, what) for value, what in ((user, "user"), (reason, "reason"), (by, "by")))
    key = NO_KEY if key is None else text_or_number(key, "key")
    with store.transaction():
        granted = award_rules.of_level(badge, level, user, key, _next_occasion(store, user, badge))
        entered = enter(store, granted, moment(now), given_by=by, reason=reason)
    outcomes = [outcome_of(grant, badge.detail(grant.level).name, outcome) for grant, outcome in entered]
    return outcomes, new_awards(entered, moment(now))


def revoke(
    store: Store, user: str, slug: str, level: int | None, key: str | None, *, by: str, reason: str, now: datetime
) -> list[AwardRow]:
    """Revoke a user's awards of a badge: all, or those of a level or a key. They stay on record.

    Returns those that were held until now; empty where all of them were revoked before. Raises `NoSuchAwardError`
    where there never was one.
    """
    given = {"user": user, "badge": slug, "reason": reason, "by": by}
    user, slug, reason, by = (text_or_number(value, what) for what, value in given.items())
    if by == REPLAY:
        raise EventError(f"by is {by!r}, which stands for what `brabeion replay --prune` takes back; give another name")
    chosen = (AwardRow.user == user) & (AwardRow.badge == slug)
    if level is not None:
        chosen &= AwardRow.level == level
    if key is not None:
        chosen &= AwardRow.key == text_or_number(key, "key")
    with store.transaction():
        found = list(
            store.ask(AwardRow.select().where(chosen).order_by(AwardRow.level, AwardRow.key, AwardRow.occasion))
        )
        if not found:
            what = f"{slug!r}" + (f", level {level}" if level else "") + (f", key {key!r}" if key is not None else "")
            raise NoSuchAwardError(
                f"{user!r} has no award of {what}; `brabeion list --user {user}` shows what there is"
            )
        held = chosen & AwardRow.revoked_at.is_null()
        store.ask(AwardRow.update(revoked_at=moment(now), revoked_by=by, revoked_because=reason).where(held)).execute()
    return [award for award in found if award.revoked_at is None]


def _next_occasion(store: Store, user: str, badge: Badge) -> int:
    """Below all others: occasions from events are their numbers, which are positive."""
    lowest = store.ask(
        AwardRow.select(AwardRow.occasion).where((AwardRow.user == user) & (AwardRow.badge == badge.slug))
    )
    return min([row.occasion for row in lowest] + [0]) - 1
