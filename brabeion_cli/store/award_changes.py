"""What a replay finds about awards: which event earned one, and which are won or lost."""

from __future__ import annotations

from typing import NamedTuple

from brabeion_cli.domain.grants import Grant


class Origin(NamedTuple):
    """What an award rests on: an event and the event's user.

    If it is an award for another award of that event, `awarded` is who got that one; else None.
    """

    event: int
    user: str
    awarded: str | None


class EarnedAward(NamedTuple):
    """An award that an event earned, with its position among the awards of that event."""

    position: int
    grant: Grant


class LevelPlace(NamedTuple):
    """A level of a badge."""

    slug: str
    level: int


class LostAward(NamedTuple):
    """A row that is revoked in the copy but held in the store."""

    user: str
    slug: str
    level: int
    key: str
    occasion: int
    event_number: int
    revoked_at: str
    revoked_by: str
    revoked_because: str


class WonAward(NamedTuple):
    """A row that is new in the copy, with what it rests on."""

    user: str
    slug: str
    level: int
    key: str
    occasion: int
    awarded_at: str
    event: int
    event_user: str
    event_awarded: str | None

    @property
    def grant(self) -> Grant:
        """The award to enter."""
        return Grant(self.user, self.slug, self.level, self.key, self.occasion)

    @property
    def origin(self) -> Origin:
        """What it rests on."""
        return Origin(self.event, self.event_user, self.event_awarded)


class LevelChange(NamedTuple):
    """What a replay changes in one level of a badge.

    `gained` is how many users gain it, `names` are some of them, and `stale` is how many awards the rules no longer
    give.
    """

    slug: str
    level: int
    level_name: str
    gained: int
    stale: int
    names: list[str]
