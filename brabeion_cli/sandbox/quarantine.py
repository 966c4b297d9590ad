"""The quarantine: badges that ended their process are not asked again, so that the rest of the work gets done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from brabeion_cli.domain.outcomes import Failure
from brabeion_cli.sandbox.supervisor import BadgeDiedError

MAX_KILLS = 3  # processes that a badge may end in one run, after which it is not asked any more


class Exclusions(NamedTuple):
    """The badges that are not to be asked, each with the failure that stands as its answer."""

    at_lines: Mapping[int, Mapping[str, Failure]] = {}
    elsewhere: Mapping[str, Failure] = {}

    def at(self, line: int) -> Mapping[str, Failure]:
        """Those at a line of the work: a line of a file, or an event by its number."""
        return self.at_lines.get(line, self.elsewhere)


class Quarantine:
    """Counts the deaths of one run: a badge is not asked again at the line where it ended a process; after
    `MAX_KILLS` of them, nowhere.
    """

    def __init__(self) -> None:
        self._at_lines: dict[int, dict[str, Failure]] = {}
        self._kills: Counter[str] = Counter()
        self._everywhere: dict[str, Failure] = {}

    def add(self, death: BadgeDiedError) -> None:
        """Note a death."""
        self._at_lines.setdefault(death.line, {})[death.slug] = death.failure
        self._kills[death.slug] += 1
        if self._kills[death.slug] >= MAX_KILLS:
            self._everywhere[death.slug] = Failure(
                f"not asked: it ended its process {MAX_KILLS} times in this run ({death.failure.error})"
            )

    @property
    def exclusions(self) -> Exclusions:
        """What a new process has to know."""
        at_lines = {line: self._everywhere | badges for line, badges in self._at_lines.items()}
        return Exclusions(at_lines, dict(self._everywhere))
