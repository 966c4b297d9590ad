"""Waiting for a condition, and processes that should have ended."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

PATIENCE = 60.0  # seconds in which everything that tests wait for has happened, also on a busy machine


def wait_until(condition: Callable[[], object], patience: float = PATIENCE) -> None:
    """Return as soon as the condition is true. Raises AssertionError when it never is."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, "what was waited for has not happened"
        time.sleep(0.01)


def has_ended(pid: int) -> bool:
    """Whether that process is gone, or only waits for its parent to look."""
    try:
        os.kill(pid, 0)
        if not Path("/proc/self/stat").exists():
            return False
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state in "ZX"
