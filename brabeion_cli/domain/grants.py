"""Grants: the awards to enter, made from what `award()` returned after checking it. Does no input or output."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from brabeion_cli.base import Badge, BadgeAwarded
from brabeion_cli.domain.events import text_or_number
from brabeion_cli.errors import EventError

if TYPE_CHECKING:
    from brabeion_cli.domain.catalogue import CatalogueEntry

NO_KEY = ""
"""The key of an award without one. It is text, because NULLs are never equal and so would never be unique."""

ANY_OCCASION = 0
"""The occasion of an award that is given once. For a `multiple` badge without a key, each event is an occasion."""


POSITION_BITS = 44
"""The lower bits of an occasion hold the event's number. The bits above hold the position of an award for an award."""


class Grant(NamedTuple):
    """One award to enter. The first five fields together are unique in the store.

    `implied` marks the lower levels that a cumulative badge grants. If the user holds one already, it is not reported.
    """

    user: str
    slug: str
    level: int
    key: str = NO_KEY
    occasion: int = ANY_OCCASION
    implied: bool = False

    @property
    def identity(self) -> tuple[str, str, int, str, int]:
        """The fields that are unique together: user, slug, level, key and occasion."""
        return self.user, self.slug, self.level, self.key, self.occasion


def occasion_of(event_number: int, position: int) -> int:
    """Return the occasion of an award for an event, or for the award at `position` that the event earned."""
    return event_number + (position << POSITION_BITS)


class InvalidAwardError(Exception):
    """`award()` returned what no badge may return."""


def grants_from_answer(badge: Badge, answer: object, user: str, occasion: int) -> list[Grant]:
    """Return the grants for what `award()` returned (not None), in the order to enter. Raises `InvalidAwardError`."""
    if not isinstance(answer, BadgeAwarded):
        kind = f" ({type(answer).__name__})" if not isinstance(answer, type) else ""
        raise InvalidAwardError(
            f"award() of badge {badge.slug!r} returned {answer!r:.120}{kind}; it must return BadgeAwarded(…) or None"
        )
    if answer.also == ():
        return _levels(badge, answer, user, occasion)
    grants: list[Grant] = []
    for awarded in _flat(badge, answer):
        grants += _levels(badge, awarded, user, occasion)
    unique: dict[tuple[str, str, int, str, int], Grant] = {}
    for grant in grants:
        known = unique.setdefault(grant.identity, grant)
        if known.implied and not grant.implied:  # keeps its place
            unique[grant.identity] = grant
    return list(unique.values())


def _flat(badge: Badge, answer: BadgeAwarded) -> Iterator[BadgeAwarded]:
    yield answer
    if not isinstance(answer.also, (list, tuple)):
        raise InvalidAwardError(
            f"award() of badge {badge.slug!r} returned also={answer.also!r:.120}; it must be a list of BadgeAwarded"
        )
    for further in answer.also:
        if not isinstance(further, BadgeAwarded):
            raise InvalidAwardError(
                f"award() of badge {badge.slug!r} returned {further!r:.120} in also; only BadgeAwarded may be there"
            )
        yield from _flat(badge, further)


def _levels(badge: Badge, awarded: BadgeAwarded, user: str, occasion: int) -> list[Grant]:
    level = awarded.level
    if type(level) is not int or not 0 < level <= len(badge.levels):
        level = checked_level(badge, level)
    try:
        who = user if awarded.user is None else text_or_number(awarded.user, "the awarded user")
        key = NO_KEY if awarded.key is None else text_or_number(awarded.key, "key")
    except EventError as error:
        raise InvalidAwardError(f"award() of badge {badge.slug!r} returned {awarded!r:.200}: {error}") from None
    return grants_of_level(badge, level, who, key, occasion)


def grants_of_level(badge: Badge | CatalogueEntry, level: int, user: str, key: str, occasion: int) -> list[Grant]:
    """Return the grants for one level. For a cumulative badge the lower levels come first.

    `occasion` is used only if the badge is `multiple` and `key` is `NO_KEY`.
    """
    occasion = occasion if badge.multiple and key == NO_KEY else ANY_OCCASION
    if not badge.cumulative:
        return [Grant(user, badge.slug, level, key, occasion)]
    lower = [Grant(user, badge.slug, below, key, occasion, implied=True) for below in range(1, level)]
    return [*lower, Grant(user, badge.slug, level, key, occasion)]


def checked_level(badge: Badge | CatalogueEntry, level: object) -> int:
    """Return the level as a number from 1. None means the badge's only level. Raises `InvalidAwardError`."""
    count = len(badge.levels)
    if level is None:
        if count > 1:
            raise InvalidAwardError(f"no level: badge {badge.slug!r} has {count}, so say which (from 1)")
        return 1
    if not isinstance(level, int) or isinstance(level, bool) or not 1 <= level <= count:
        has = "has one level" if count == 1 else f"has levels 1 to {count}"
        raise InvalidAwardError(f"level is {level!r:.80}; badge {badge.slug!r} {has}, counted from 1")
    return int(level)
