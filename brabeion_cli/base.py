"""What badge authors build on: `Badge`, `BadgeAwarded`, `BadgeDetail`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple


class BadgeDetail(NamedTuple):
    """One level of a badge, where a bare name is not enough: `BadgeDetail("Gold", "over 10,000 points")`."""

    name: str
    description: str | None = None
    image: str | None = None


class BadgeAwarded(NamedTuple):
    """What `award()` answers when the event earns the badge.

    `level` counts from 1 and may be left out where the badge has one level. `user` awards somebody else than
    `state["user"]`. `key` makes the award once per key ("once per post"). `also` holds further awards that the same
    event earns (see `several`).

        return BadgeAwarded(level=2)
        return BadgeAwarded(key=state["post_id"])
    """

    level: int | None = None
    user: str | int | None = None
    key: str | int | None = None
    also: tuple[BadgeAwarded, ...] = ()

    @classmethod
    def several(cls, earned: Iterable[BadgeAwarded]) -> BadgeAwarded | None:
        """All of `earned` as the one answer that `award()` gives, or None where nothing was earned.

        return BadgeAwarded.several(BadgeAwarded(key=tag) for tag in state["tags"])
        """
        all_earned = list(earned)
        if not all_earned:
            return None
        first, *others = all_earned
        return first._replace(also=(*first.also, *others))


class Badge:
    """A badge. Subclass it, say what it listens to, answer in `award()`, and register the class.

    `slug` names the badge for ever: lower-case letters, digits, `-` and `_`, 100 characters at most. `levels` is a
    non-empty list of names or `BadgeDetail`s, lowest first. `events` are the names of the events it listens to.
    With `multiple` every event may award it again (it then has one level); with `async_` it is judged by
    `brabeion process-queue`; with `cumulative` level N grants the lower ones too.
    """

    slug: ClassVar[str]
    levels: ClassVar[Sequence[str | BadgeDetail]]
    events: ClassVar[Sequence[str]]
    multiple: ClassVar[bool] = False
    async_: ClassVar[bool] = False
    cumulative: ClassVar[bool] = False

    def award(self, **state: Any) -> BadgeAwarded | None:
        """Does this event earn the badge? `state["user"]` is always there; the rest is the caller's."""
        raise NotImplementedError

    def freeze(self, **state: Any) -> Mapping[str, Any]:
        """For deferred badges: runs when the event is fired, returns the state that `award()` will see later."""
        return state

    def detail(self, level: int) -> BadgeDetail:
        """Name, description and image of a level, counted from 1."""
        entry = self.levels[level - 1]
        return entry if isinstance(entry, BadgeDetail) else BadgeDetail(entry)
