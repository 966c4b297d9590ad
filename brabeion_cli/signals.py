"""`badge_awarded`: sent once for each new award, after the award is on disk.

    from brabeion_cli.signals import badge_awarded

    @badge_awarded.connect
    def congratulate(sender, badge_award, **kwargs):
        print(badge_award.user, "is now", badge_award.level_name)

A receiver that raises or overruns its time-out is reported. The award stays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

Receiver = TypeVar("Receiver", bound=Callable[..., Any])


class BadgeAward(NamedTuple):
    """An award as receivers see it.

    `badge` is the slug. `level` counts from 1. `key` is None if the award has none. `awarded_at` is in UTC. `event` is
    the number in the journal of the event that earned the award, or None if a person gave it.
    """

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
        """The same as `badge`: the original library has this name."""
        return self.badge

    @property
    def name(self) -> str:
        """The same as `level_name`: the original library has this name."""
        return self.level_name


class Signal:
    """A list of receivers. They are called in the order in which they were connected."""

    def __init__(self) -> None:
        self._receivers: list[Callable[..., Any]] = []

    def connect(self, receiver: Receiver) -> Receiver:
        """Call `receiver(sender=..., badge_award=...)` for each new award from now on, and return `receiver`.

        Use it as a call or as a decorator. A receiver that is connected twice is called once.
        """
        if receiver not in self._receivers:
            self._receivers.append(receiver)
        return receiver

    def disconnect(self, receiver: Callable[..., Any]) -> None:
        """Stop calling `receiver`. Does nothing if it is not connected."""
        if receiver in self._receivers:
            self._receivers.remove(receiver)

    def __iter__(self) -> Iterator[Callable[..., Any]]:
        return iter(list(self._receivers))

    def __len__(self) -> int:
        return len(self._receivers)


badge_awarded = Signal()
"""The signal. `sender` is the `Badge`, `badge_award` a `BadgeAward`."""
