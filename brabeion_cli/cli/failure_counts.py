"""Counts failures by badge while many events go by: prints the first of each badge, and the totals at the end."""

from __future__ import annotations

from collections import Counter

from brabeion_cli.cli import options

SHOWN = 10


class FailureCounts:
    """Counts failures by badge, and prints the first of each."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    @property
    def total(self) -> int:
        """How many failures there were."""
        return self._counts.total()

    def tell(self, badge: str, text: str) -> None:
        """Count a failure. It is printed on stderr if it is among the first `SHOWN` of its badge."""
        self._counts[badge] += 1
        if self._counts[badge] <= SHOWN:
            options.complain(text)

    def sum_up(self, way_out: str) -> None:
        """Print the totals of badges whose failures were not all printed. `way_out` says what to do about them."""
        for badge, count in self._counts.items():
            if count > SHOWN:
                options.complain(f"badge {badge} failed {count:,} times in all; {way_out}")

    def forget(self) -> None:
        """Start counting again, because the same failures will come again."""
        self._counts.clear()
