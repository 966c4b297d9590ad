"""Runs badge code so that it can hurt only itself: a time-out, and every way to fail as one kind of failure."""

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

TICKS = 50  # of the timer in one time-out
SHORTEST_TICK = 0.01  # seconds
ARM_AGAIN = 64  # calls after which the timer is set anew, because badge code may have stopped it
REPEAT = 0.5  # seconds after which a time-out that badge code has swallowed is raised again
MAX_ERROR = 1000  # characters of an exception's text that are kept


class BadgeFailedError(Exception):
    """Badge code failed; `failure` says how."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.error)
        self.failure = failure


class _OverrunError(BaseException):
    """Raised inside badge code that overruns; no Exception, so that `except Exception` does not stop it."""


class Observer(Protocol):
    """Wants to know whose code is running, in case it takes the process with it."""

    def asking(self, badge: str, seconds: float, /) -> None:
        """Code of that badge runs from now on, for so many seconds at most."""

    def answered(self) -> None:
        """Badge code has come back."""


_asking = False


def is_asking() -> bool:
    """Whether a badge is being asked at this moment."""
    return _asking


class Guard:
    """Calls badge code, at most `seconds` each time, and tells the watch; deferred badges may take `deferred` seconds,
    where that is given. Enter it around a run of calls:

        with Guard(5.0) as guard:
            answer = guard.call(badge, lambda: badge.award(**state))

    Time-outs need the main thread (they are a signal's); elsewhere code runs unbounded. One timer ticks through many
    calls and looks whether it still sees the same one; it rests when it sees none.
    """

    def __init__(self, seconds: float, observer: Observer | None = None, deferred: float | None = None) -> None:
        self._sync, self._deferred = seconds, seconds if deferred is None else deferred
        self._seconds = seconds  # of the call that runs
        self._observer = observer
        self._process = os.getpid()
        self._running = False
        self.excluded: Mapping[str, Failure] = {}
        """Badges that are not asked at present, each with the failure that stands as its answer."""
        self._calls = self._seen = 0
        self._until = 0.0
        self._armed_for: float | None = None  # the time-out that the timer ticks for, None where it rests
        self._bounded = False
        self._handler_before: Any = None
        self._timer_before = (0.0, 0.0)

    def __enter__(self) -> Self:
        self._process = os.getpid()
        self._bounded = threading.current_thread() is threading.main_thread()
        if self._bounded:
            self._timer_before = signal.setitimer(signal.ITIMER_REAL, 0)
            self._handler_before = signal.signal(signal.SIGALRM, self._ring)
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
        """What `work()` returns. Raises `BadgeFailedError` for whatever it raises, `SystemExit` too.

        A failure is placed at the innermost line of the badge's folder, or of the one that is given. Without `asking`
        it is not the badge's answer that is wanted.
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
                    raise  # a person's, not the badge's
                if isinstance(error, MemoryError):
                    end_without_memory()
                raise BadgeFailedError(self._failure(error, badge, folder)) from error
        except _OverrunError as error:  # the text of what it raised takes too long in its turn
            raise BadgeFailedError(self._failure(error, badge, folder)) from error
        finally:
            self._running = _asking = False
            if os.getpid() != self._process:  # Python notes no fork of C code
                os._exit(0)  # a child that badge code forked has come back: it must not go on as us
            if observer is not None:
                observer.answered()

    def _arm(self) -> None:
        self._armed_for = self._seconds
        if self._bounded:
            tick = max(SHORTEST_TICK, min(self._seconds / TICKS, REPEAT))
            signal.setitimer(signal.ITIMER_REAL, tick, tick)

    def _ring(self, signum: int, frame: FrameType | None) -> None:
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
        where = locations.short(locations.of_failure(error.__traceback__, folder or locations.folder_of(type(badge))))
        if isinstance(error, _OverrunError):
            return Failure(f"TimeoutError: no answer within {self._seconds:g} s", where)
        return Failure(error_line(error), where)


def error_line(error: BaseException) -> str:
    """`ZeroDivisionError: division by zero`, in one line of bounded length, whatever its text does."""
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
