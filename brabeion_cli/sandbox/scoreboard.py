"""Shared memory where a child process notes which badge's code it runs. Its parent process reads it if it dies."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Callable
from typing import NamedTuple


class Score(NamedTuple):
    """What the child process noted.

    `calls` is the number of calls of badge code so far. `line` is where the child is in its work. `slug` is the badge
    whose code runs, or None if none does; it may take `seconds`.
    """

    calls: int
    line: int
    seconds: float
    slug: str | None


class Scoreboard:
    """Make it before the fork. The child sets `line` and calls `asking` and `answered`; the parent calls `read`."""

    LAYOUT = struct.Struct("<QQd101s")  # calls so far, line, seconds, slug with its length first (0: none)
    LENGTH_AT = struct.calcsize("<QQd")

    def __init__(self) -> None:
        self.check: Callable[[], None] = lambda: None
        """Called after each call of badge code. If it ends the process, that badge gets the blame."""
        self._memory = mmap.mmap(-1, self.LAYOUT.size)
        self._slugs: dict[str, bytes] = {}
        self._calls = 0
        self.line = 0

    def asking(self, badge: str, seconds: float) -> None:
        """Note that the badge's code starts now, and may take `seconds`."""
        self._calls += 1
        slug = self._slugs.get(badge)
        if slug is None:
            slug = self._slugs[badge] = struct.pack("101p", badge.encode())
        self.LAYOUT.pack_into(self._memory, 0, self._calls, self.line, seconds, slug)

    def answered(self) -> None:
        """Note that the badge's code has returned, or has raised."""
        self.check()
        self._memory[self.LENGTH_AT] = 0

    def read(self) -> Score:
        """Return what the child process has noted."""
        calls, line, seconds, packed = self.LAYOUT.unpack_from(self._memory)
        (slug,) = struct.unpack("101p", packed)
        return Score(calls, line, seconds, slug.decode() or None)
