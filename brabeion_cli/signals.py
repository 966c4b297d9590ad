"""`badge_awarded`: sent once for each new award, after it is on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

Receiver = TypeVar("Receiver", bound=Callable[..., Any])


class BadgeAward(NamedTuple):
    """An award as receivers see it; `badge` is the slug, `event` the number of the journal's entry, None where
    a person gave it."""

    user: str
    badge: str
    level: int
    level_name: str
    description: str | None
    image: str | None
    key: str | None
    awarded_at: datetime
    event: int | None

    @property
    def slug(self) -> str:
        """The badge's slug, under the name that it has in the original library."""
        return self.badge

    @property
    def name(self) -> str:
        """The level's name, under the name that it has in the original library."""
        return self.level_name


class Signal:
    """Receivers that are called in the order in which they were connected."""

    def __init__(self) -> None:
        self._receivers: list[Callable[..., Any]] = []

    def connect(self, receiver: Receiver) -> Receiver:
        """Call `receiver(sender, badge_award, **kwargs)` for each award; as a call, or as a decorator.

        @badge_awarded.connect
        def congratulate(sender, badge_award, **kwargs):
            print(badge_award.user, "is now", badge_award.level_name)
        """
        if receiver not in self._receivers:
            self._receivers.append(receiver)
        return receiver

    def disconnect(self, receiver: Callable[..., Any]) -> None:
        """Call `receiver` no longer."""
        if receiver in self._receivers:
            self._receivers.remove(receiver)

    def __iter__(self) -> Iterator[Callable[..., Any]]:
        return iter(list(self._receivers))

    def __bool__(self) -> bool:
        return bool(self._receivers)


badge_awarded = Signal()
"""Sent with the badge as `sender` and a `BadgeAward` as `badge_award`."""
