"""The quarantine: a badge that ended its process is not asked again, so that the rest of the work gets done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from brabeion_cli.domain.outcomes import Failure
from brabeion_cli.sandbox.supervisor import BadgeDiedError

MAX_KILLS = 3  # processes that a badge may end in one run; after that it is not asked at all


class Exclusions(NamedTuple):
    """The badges that are not asked, each with the failure to report instead.

    `at_lines` has them for the lines where a badge ended a process, `elsewhere` for all other lines.
    """

    at_lines: Mapping[int, Mapping[str, Failure]] = {}
    elsewhere: Mapping[str, Failure] = {}

    def at(self, line: int) -> Mapping[str, Failure]:
        """Return the badges that are not asked at a line: the number of a line in a file, or of an event."""
        return self.at_lines.get(line, self.elsewhere)


class Quarantine:
    """Counts the processes that badges end in one run.

    A badge is not asked again at a line where it ended a process. After `MAX_KILLS` processes it is not asked at all.
    """

    def __init__(self) -> None:
        self._at_lines: dict[int, dict[str, Failure]] = {}
        self._kills: Counter[str] = Counter()
        self._everywhere: dict[str, Failure] = {}

    def add(self, death: BadgeDiedError) -> None:
        """Count a process that a badge ended."""
        self._at_lines.setdefault(death.line, {})[death.slug] = death.failure
        self._kills[death.slug] += 1
        if self._kills[death.slug] >= MAX_KILLS:
            self._everywhere[death.slug] = Failure(
                f"not asked: it ended its process {MAX_KILLS} times in this run ({death.failure.error})"
            )

    @property
    def exclusions(self) -> Exclusions:
        """The badges that the next process must not ask."""
        at_lines = {line: self._everywhere | badges for line, badges in self._at_lines.items()}
        return Exclusions(at_lines, dict(self._everywhere))
