"""Shared memory in which a child notes whose code it is running, for its parent to find when it dies."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Callable
from typing import NamedTuple


class Score(NamedTuple):
    """How many calls of badge code there were; the line that the child is at; the badge whose code runs (None: none),
    and the seconds that it may take.
    """

    calls: int
    line: int
    seconds: float
    slug: str | None


class Scoreboard:
    """Make it before the fork. The child writes `line`, `asking` and `answered`; the parent reads."""

    LAYOUT = struct.Struct("<QQd101s")  # calls so far, line, seconds, slug as Pascal wrote it (no length: nobody's)
    LENGTH_AT = struct.calcsize("<QQd")

    def __init__(self) -> None:
        self.check: Callable[[], None] = lambda: None
        """Called after each piece of badge code, while it is still to blame."""
        self._memory = mmap.mmap(-1, self.LAYOUT.size)
        self._slugs: dict[str, bytes] = {}
        self._calls = 0
        self.line = 0

    def asking(self, badge: str, seconds: float) -> None:
        """Code of that badge runs from now on, for so many seconds at most."""
        self._calls += 1
        slug = self._slugs.get(badge)
        if slug is None:
            slug = self._slugs[badge] = struct.pack("101p", badge.encode())
        self.LAYOUT.pack_into(self._memory, 0, self._calls, self.line, seconds, slug)

    def answered(self) -> None:
        """It has come back."""
        self.check()
        self._memory[self.LENGTH_AT] = 0

    def read(self) -> Score:
        """What the child has noted."""
        calls, line, seconds, packed = self.LAYOUT.unpack_from(self._memory)
        (slug,) = struct.unpack("101p", packed)
        return Score(calls, line, seconds, slug.decode() or None)
