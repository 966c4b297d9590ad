"""Shared memory in which a child notes whose code it is running, for its parent to find when it dies."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Callable


class SharedWatch:
    """Make it before the fork. The child writes `line`, `asking` and `answered`; the parent reads."""

    WHOSE = struct.Struct("<dB100s")  # seconds, length of the slug (0: no badge code runs), slug
    LAYOUT = struct.Struct(f"<QQ{WHOSE.size}s")  # calls so far, line, whose code runs
    LENGTH_AT = struct.calcsize("<QQd")

    def __init__(self) -> None:
        self.check: Callable[[], None] = lambda: None
        """Called after each piece of badge code, while it is still to blame."""
        self._memory = mmap.mmap(-1, self.LAYOUT.size)
        self._packed: dict[tuple[str, float], bytes] = {}
        self._calls = 0
        self.line = 0

    def asking(self, badge: str, seconds: float) -> None:
        """Code of that badge runs from now on, for so many seconds at most."""
        self._calls += 1
        whose = self._packed.get((badge, seconds))
        if whose is None:
            slug = badge.encode()
            whose = self._packed[badge, seconds] = self.WHOSE.pack(seconds, len(slug), slug)
        self.LAYOUT.pack_into(self._memory, 0, self._calls, self.line, whose)

    def answered(self) -> None:
        """It has come back."""
        self.check()
        self._memory[self.LENGTH_AT] = 0

    def read(self) -> tuple[int, int, float, str | None]:
        """How many calls there were, the line, the badge's seconds, and the badge whose code runs or None."""
        calls, line, whose = self.LAYOUT.unpack_from(self._memory)
        seconds, length, slug = self.WHOSE.unpack(whose)
        return calls, line, seconds, slug[:length].decode() if length else None
