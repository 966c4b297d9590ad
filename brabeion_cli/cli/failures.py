"""Says which badges failed while many events go by: the first failures of each, and how many there were in all."""

from __future__ import annotations

from collections import Counter

from brabeion_cli.cli import options

SHOWN = 10


class Failures:
    """Counts failures by badge."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    @property
    def total(self) -> int:
        """How many there were."""
        return self._counts.total()

    def tell(self, badge: str, text: str) -> None:
        """One more; said on stderr while there are not too many of that badge."""
        self._counts[badge] += 1
        if self._counts[badge] <= SHOWN:
            options.complain(text)

    def sum_up(self, way_out: str) -> None:
        """How many there were of those that were not all said."""
        for badge, count in self._counts.items():
            if count > SHOWN:
                options.complain(f"badge {badge} failed {count:,} times in all; {way_out}")

    def forget(self) -> None:
        """Before they come again."""
        self._counts.clear()
