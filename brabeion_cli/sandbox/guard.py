"""Runs badge code with a time-out, and turns every error into one kind of failure."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from types import FrameType, TracebackType
from typing import Any, Protocol, Self, TypeVar

from brabeion_cli import locations
from brabeion_cli.base import Badge
from brabeion_cli.domain.outcomes import Failure
from brabeion_cli.sandbox.limits import end_without_memory

T = TypeVar("T")

TICKS = 50  # ticks of the timer in one time-out
SHORTEST_TICK = 0.01  # seconds
ARM_AGAIN = 64  # calls after which the timer is set again, because badge code may have stopped it
REPEAT = 0.5  # seconds after which the time-out is raised again, if badge code has caught it
MAX_ERROR = 1000  # characters of an exception's text that are kept; longer texts are cut


class BadgeFailedError(Exception):
    """Badge code failed. `failure` says how."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.error)
        self.failure = failure


class _OverrunError(BaseException):
    """Raised inside badge code that overruns. Not an `Exception`, so that `except Exception` does not catch it."""


class Observer(Protocol):
    """Learns which badge's code is running, in case it ends the process."""

    def asking(self, badge: str, seconds: float, /) -> None:
        """The badge's code starts now. It may take `seconds`."""

    def answered(self) -> None:
        """The badge's code has returned, or has raised."""


_asking = False


def is_asking() -> bool:
    """Whether a badge is being asked now."""
    return _asking


class Guard:
    """Calls badge code with a time-out, and reports each call to the observer. Enter it around a series of calls:

        with Guard(5.0) as guard:
            awarded = guard.call(badge, lambda: badge.award(**state))

    A call may take `seconds`; one of a deferred badge may take `deferred` seconds, if given. Time-outs need the main
    thread, because they use a signal; in other threads there is none. One timer serves many calls: at each tick it
    checks whether the same call still runs. It stops when no call runs.
    """

    def __init__(self, seconds: float, observer: Observer | None = None, deferred: float | None = None) -> None:
        self._sync, self._deferred = seconds, seconds if deferred is None else deferred
        self._seconds = seconds  # of the call that runs
        self._observer = observer
        self._process = os.getpid()
        self._running = False
        self.excluded: Mapping[str, Failure] = {}
        """The slugs of badges that are not asked for now, each with the failure that is raised instead."""
        self._calls = self._seen = 0
        self._until = 0.0
        self._armed_for: float | None = None  # the time-out that the timer is set for, None if it is stopped
        self._bounded = False
        self._handler_before: Any = None
        self._timer_before = (0.0, 0.0)

    def __enter__(self) -> Self:
        self._process = os.getpid()
        self._bounded = threading.current_thread() is threading.main_thread()
        if self._bounded:
            self._timer_before = signal.setitimer(signal.ITIMER_REAL, 0)
            self._handler_before = signal.signal(signal.SIGALRM, self._on_tick)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bounded:
            signal.setitimer(signal.ITIMER_REAL, 0)
            self._armed_for = None
            signal.signal(signal.SIGALRM, self._handler_before)
            signal.setitimer(signal.ITIMER_REAL, *self._timer_before)

    def call(self, badge: Badge, work: Callable[[], T], /, folder: str | None = None, *, asking: bool = True) -> T:
        """Return what `work()` returns. Raises `BadgeFailedError` for everything that it raises, also `SystemExit`.

        The failure names the innermost line of code in `folder`, which is the badge's own by default. Pass
        `asking=False` for code that does not evaluate the badge, such as a receiver.
        """
        global _asking
        if self.excluded and asking and badge.slug in self.excluded:
            raise BadgeFailedError(self.excluded[badge.slug])
        _asking = asking
        self._seconds = seconds = self._deferred if badge.async_ and asking else self._sync
        self._calls += 1
        if self._armed_for != seconds or not self._calls % ARM_AGAIN:
            self._arm()
        observer = self._observer
        if observer is not None:
            observer.asking(badge.slug, seconds)
        self._running = True
        try:
            try:
                return work()
            except BaseException as error:
                if isinstance(error, KeyboardInterrupt) and signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
                    raise  # a person pressed Ctrl-C; not the badge's failure
                if isinstance(error, MemoryError):
                    end_without_memory()
                raise BadgeFailedError(self._failure(error, badge, folder)) from error
        except _OverrunError as error:  # making the text of its exception took too long, too
            raise BadgeFailedError(self._failure(error, badge, folder)) from error
        finally:
            self._running = _asking = False
            if os.getpid() != self._process:  # Python does not notice a fork in C code
                os._exit(0)  # this is a child process that badge code forked; it must not continue as us
            if observer is not None:
                observer.answered()

    def _arm(self) -> None:
        self._armed_for = self._seconds
        if self._bounded:
            tick = max(SHORTEST_TICK, min(self._seconds / TICKS, REPEAT))
            signal.setitimer(signal.ITIMER_REAL, tick, tick)

    def _on_tick(self, signum: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if not self._running:
            signal.setitimer(signal.ITIMER_REAL, 0)
            self._armed_for = None
        elif self._seen != self._calls:
            self._seen, self._until = self._calls, now + self._seconds
        elif now >= self._until:
            self._until = now + REPEAT
            raise _OverrunError

    def _failure(self, error: BaseException, badge: Badge, folder: str | None) -> Failure:
        location = locations.of_failure(error.__traceback__, folder or locations.folder_of(type(badge)))
        where = None if location is None else location.short()
        if isinstance(error, _OverrunError):
            return Failure(f"TimeoutError: no answer within {self._seconds:g} s", where)
        return Failure(error_line(error), where)


def error_line(error: BaseException) -> str:
    """Return an exception as one line of limited length: `ZeroDivisionError: division by zero`.

    If making its text raises, the line says so.
    """
    try:
        text = str.__str__(str(error))
    except _OverrunError:
        raise
    except BaseException as second:
        text = f"(its text raises {type(second).__name__})"
    text = " ".join(text.split())
    text = text.encode(errors="backslashreplace").decode()
    if len(text) > MAX_ERROR:
        text = text[:MAX_ERROR] + "…"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
