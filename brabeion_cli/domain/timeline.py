"""`JournalEntry`, one event of the journal; `order`, that of the journal; `AsOf`, a point of it."""

from __future__ import annotations

from typing import NamedTuple

LAST_NUMBER = 2**63 - 1
FIRST_MOMENT, LAST_MOMENT = "", "~"  # before and after every moment, as text


class JournalEntry(NamedTuple):
    """An event in the journal. `at` is UTC text, `id` the caller's, `state_json` the state's JSON.

    For the event that an award is, number and id are those of the event that earned it, `position` is the award's place
    among those of that event, and `depth` counts the awards that led to it, one from the other.
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
    """What the journal is ordered by."""
    return entry.at, entry.number, entry.position


class AsOf(NamedTuple):
    """A point in the journal's order. Entries after it are not seen, nor those recorded after number `known`: what is
    judged later is judged with what was known when its event came.
    """

    at: str
    number: int
    position: int = 0
    known: int = LAST_NUMBER

    @classmethod
    def of(cls, entry: JournalEntry, *, hindsight: bool = False) -> AsOf:
        """The point of an entry; with `hindsight` all entries are known, else those that were recorded before it."""
        return cls(entry.at, entry.number, entry.position, LAST_NUMBER if hindsight else entry.number)

    @property
    def end(self) -> str:
        """After its moment, before the next one."""
        return self.at + LAST_MOMENT


END = AsOf(LAST_MOMENT, LAST_NUMBER, LAST_NUMBER)
"""After everything there is."""
