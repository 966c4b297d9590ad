"""Ctrl-C and SIGTERM raise an exception that ends the command, so that everything open is closed on the way out."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

RESEND_AFTER = 0.001  # seconds


class Interrupted(KeyboardInterrupt):
    """Ctrl-C."""


class Terminated(SystemExit):
    """SIGTERM. The exit status is the one that shells use: 128 plus the number of the signal."""


def handle_signal(signum: int, frame: FrameType | None) -> None:
    """The handler for both signals."""
    if signum == signal.SIGINT:
        raise Interrupted
    raise Terminated(128 + signum)


@contextmanager
def resending_lost_signals() -> Iterator[None]:
    """A block in which no such exception is lost.

    If it is raised in a callback of the garbage collector or of an import lock, Python only reports it and goes on.
    Then the signal is sent again after `RESEND_AFTER` seconds, when the callback is over.
    """
    report = sys.unraisablehook

    def hook(lost: UnraisableHookArgs) -> None:
        if isinstance(lost.exc_value, (Interrupted, Terminated)):
            number = signal.SIGINT if isinstance(lost.exc_value, Interrupted) else signal.SIGTERM
            signal.signal(signal.SIGALRM, lambda signum, frame: signal.raise_signal(number))
            signal.setitimer(signal.ITIMER_REAL, RESEND_AFTER)
        else:
            report(lost)

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = report
