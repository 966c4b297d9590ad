"""`Registry` finds badges by slug and by event, in the order in which they were registered."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from brabeion_cli import locations
from brabeion_cli.base import Badge
from brabeion_cli.errors import BadgeLoadError
from brabeion_cli.project.validation import Mistake, definition_mistakes

B = TypeVar("B", bound=type[Badge])


class Registry:
    """The badges that are evaluated for events. Badge modules register theirs with the instance `badges`."""

    def __init__(self) -> None:
        self._by_slug: dict[str, Badge] = {}
        self._by_event: dict[str, list[Badge]] = {}
        self._collected: list[str] | None = None
        self._fire: Callable[..., Sequence[Any]] | None = None

    def register(self, badge: B) -> B:
        """Register a badge class, and return it. Use it as a call or as a decorator.

            badges.register(PointsBadge)

        Makes one instance of the class, without arguments. Raises `BadgeLoadError` with all mistakes of the
        definition, each with file and line number. While badge files are loaded, it collects them instead.
        """
        caller = sys._getframe(1)
        called_at = (caller.f_code.co_filename, caller.f_lineno)
        mistakes = definition_mistakes(badge) or self._enter(badge)
        if mistakes:
            lines = [_line(badge, mistake, called_at) for mistake in mistakes]
            if self._collected is None:
                raise BadgeLoadError("\n".join(lines))
            self._collected += lines
        return badge

    def _enter(self, badge: type[Badge]) -> list[Mistake]:
        holder = self._by_slug.get(badge.slug)
        if holder is not None:
            file, line = locations.of_class(type(holder)) or ("no file", 0)
            place = f"{file}:{line}"
            return [
                Mistake("slug", f"slug {badge.slug!r} is taken by {type(holder).__name__} ({place}); slugs are unique")
            ]
        try:
            made = badge()
        except Exception as error:
            return [Mistake(None, f"cannot be created: {type(error).__name__}: {error}")]
        self._by_slug[badge.slug] = made
        for event in dict.fromkeys(badge.events):
            self._by_event.setdefault(event, []).append(made)
        return []

    @contextmanager
    def collecting_mistakes(self) -> Iterator[list[str]]:
        """Inside the block, `register()` adds mistakes to the list instead of raising `BadgeLoadError`.

        If the list is not empty at the end, or the block fails, all badges that were registered in it are removed.
        """
        mistakes: list[str] = []
        self._collected = mistakes
        before = dict(self._by_slug), {event: list(heard) for event, heard in self._by_event.items()}
        succeeded = False
        try:
            yield mistakes
            succeeded = not mistakes
        finally:
            self._collected = None
            if not succeeded:
                self._by_slug, self._by_event = before

    def get(self, slug: str) -> Badge | None:
        """Return the badge with that slug, or None."""
        return self._by_slug.get(slug)

    def level_name(self, slug: str, level: int) -> str | None:
        """Return the name of a level, counted from 1. None if there is no such badge or level."""
        badge = self._by_slug.get(slug)
        return badge.detail(level).name if badge is not None and 1 <= level <= len(badge.levels) else None

    def listening_to(self, event: str) -> Sequence[Badge]:
        """Return the badges that listen to an event, in the order of registration."""
        return self._by_event.get(event, ())

    def needing(self, event: str) -> Sequence[Badge]:
        """Return the badges that listen to an event, or name it in `asks`."""
        return [badge for badge in self if event in badge.events or event in badge.asks]

    @property
    def event_names(self) -> list[str]:
        """The name of every event that a badge listens to."""
        return list(self._by_event)

    @property
    def slugs(self) -> list[str]:
        """Every slug, in the order of registration."""
        return list(self._by_slug)

    def __iter__(self) -> Iterator[Badge]:
        return iter(list(self._by_slug.values()))

    def __len__(self) -> int:
        return len(self._by_slug)

    def __contains__(self, badge: object) -> bool:
        return any(type(known) is badge for known in self)

    def clear(self) -> None:
        """Remove every badge."""
        self._by_slug.clear()
        self._by_event.clear()

    def fire_with(self, fire: Callable[..., Sequence[Any]]) -> None:
        """Set the function behind `possibly_award_badge`. The package does this, so that no engine is imported here."""
        self._fire = fire

    def possibly_award_badge(self, event: str, /, **state: Any) -> Sequence[Any]:
        """Record an event and award what it earns, like `brabeion fire`. Uses the store that the configuration names.

            badges.possibly_award_badge("points_awarded", user="alice", points=8000)

        `user` is required. `force_timestamp` is the time of the event, if it is not now: ISO 8601 text or a
        `datetime`; without a time zone it is UTC. The other keywords are the state, and must be JSON values.

        Returns the `Outcome`s of the badges that listen: one for each award, or one that says that the badge awarded
        nothing, was queued or failed. A badge that fails raises nothing here. Raises a `BrabeionError` if nothing was
        recorded.
        """
        if self._fire is None:
            raise NotImplementedError("only the registry `brabeion_cli.badges` is connected to a store")
        return self._fire(event, **state)


def _line(badge: type, mistake: Mistake, called_at: tuple[str, int]) -> str:
    """Return a mistake as a line: `badges/odd.py:7: OddBadge: levels is empty …`."""
    named = isinstance(badge, type)
    file, line = (locations.of_class(badge, mistake.attribute) if named else None) or called_at
    return f"{file}:{line}: {badge.__name__ + ': ' if named else ''}{mistake.text}"


badges = Registry()
"""The registry that badge modules and applications use."""
