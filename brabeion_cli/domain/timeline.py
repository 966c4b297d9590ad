"""`JournalEntry` is one event in the journal, `order` the journal's order, `AsOf` a point in that order."""

from __future__ import annotations

from typing import NamedTuple

LAST_NUMBER = 2**63 - 1
FIRST_MOMENT, LAST_MOMENT = "", "~"  # before and after every moment, as text


class JournalEntry(NamedTuple):
    """An event in the journal. `at` is UTC text, `id` is the caller's, `state_json` is the state as JSON.

    An award is an event, too. It has the number and the id of the event that earned it. `position` is its place among
    the awards of that event. `depth` is the length of the chain of awards that led to it.
    """

    number: int
    name: str
    user: str
    at: str
    id: str | None
    state_json: str
    position: int = 0
    depth: int = 0


def order(entry: JournalEntry) -> tuple[str, int, int]:
    """Return the sort key of the journal's order."""
    return entry.at, entry.number, entry.position


class AsOf(NamedTuple):
    """A point in the journal's order. A reader does not see entries after it, or entries with a number above `known`.

    So a badge that is evaluated later sees what was known when its event was recorded.
    """

    at: str
    number: int
    position: int = 0
    known: int = LAST_NUMBER

    @classmethod
    def of(cls, entry: JournalEntry, *, hindsight: bool = False) -> AsOf:
        """Return the point of an entry. Known are the entries recorded up to it; with `hindsight`, all entries."""
        return cls(entry.at, entry.number, entry.position, LAST_NUMBER if hindsight else entry.number)

    @property
    def end(self) -> str:
        """Text that sorts after `at` and before every later moment."""
        return self.at + LAST_MOMENT


END = AsOf(LAST_MOMENT, LAST_NUMBER, LAST_NUMBER)
"""The point after every entry."""
