"""Supervises a child process that runs badge code, and finds out which badge ended it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from brabeion_cli.domain.outcomes import Failure
from brabeion_cli.errors import BadgeLoadError, BrabeionError, LostProcessError
from brabeion_cli.sandbox import process
from brabeion_cli.sandbox.channel import Channel
from brabeion_cli.sandbox.process import ChildDiedError, ChildOverranError, ChildProcess
from brabeion_cli.sandbox.scoreboard import Scoreboard


class BadgeDiedError(Exception):
    """A badge ended the child process, or hung so that it had to be killed. `line` is where the child was."""

    def __init__(self, line: int, slug: str, failure: Failure) -> None:
        super().__init__(failure.error)
        self.line, self.slug, self.failure = line, slug, failure


class Supervisor:
    """Runs `main(scoreboard, channel)` in a child process. Kills it if badge code takes longer than it may.

    After a child has ended, `start` starts another one.
    """

    def __init__(self, main: Callable[[Scoreboard, Channel], None]) -> None:
        self._main = main
        self._scoreboard = Scoreboard()
        self._child: ChildProcess | None = None

    @property
    def running(self) -> bool:
        """Whether there is a child process."""
        return self._child is not None

    def start(self) -> Any:
        """Start the child process, and return its first answer, which says that it is ready. Raises `BrabeionError`."""
        self._scoreboard = Scoreboard()
        self._child = ChildProcess(partial(self._main, self._scoreboard))
        try:
            return await_ready(self._child)
        except BaseException:
            self.close()
            raise

    def send(self, request: Any) -> None:
        """Send a request to the child process, which must have been started."""
        assert self._child is not None
        self._child.send(request)

    def answer(self) -> Any:
        """Wait for the next answer. Raises the `BrabeionError` that the child process sent instead.

        If the child has ended, raises `BadgeDiedError`, or `LostProcessError` if no badge code was running.
        """
        try:
            answer = self._next()
        except ChildDiedError as death:
            self._child = None
            score = self._scoreboard.read()
            if score.slug is None:
                raise LostProcessError(
                    f"the process that runs the badges was ended from outside: {death}. Try again"
                ) from death
            raise BadgeDiedError(score.line, score.slug, Failure(str(death))) from death
        if isinstance(answer, BrabeionError):
            raise answer
        return answer

    def pending_answers(self) -> Iterator[Any]:
        """Yield the answers that have already come, without waiting."""
        with contextlib.suppress(ChildDiedError, ChildOverranError):
            while self._child is not None:
                yield self._child.receive(0)

    def close(self) -> None:
        """End the child process. What it has not committed is rolled back."""
        if self._child is not None:
            self._child.end()
            self._child = None

    def _next(self) -> Any:
        assert self._child is not None
        calls, since = 0, 0.0
        while True:
            try:
                return self._child.receive(process.POLL_INTERVAL)
            except ChildOverranError:
                score = self._scoreboard.read()
                if score.slug is None or score.calls != calls:
                    calls, since = score.calls, time.monotonic()
                elif time.monotonic() - since > score.seconds + process.GRACE:
                    self._child.kill()
                    raise ChildDiedError(f"TimeoutError: no answer within {score.seconds:g} s") from None


def await_ready(child: ChildProcess, stopped: Callable[[], bool] = lambda: False) -> Any:
    """Wait for the first answer of a child process, and return it. None if `stopped()` becomes true before.

    Raises the `BrabeionError` that the child sent, or `BadgeLoadError` if a badge module ended it or took too long.
    """
    deadline = time.monotonic() + process.START_TIMEOUT
    while not stopped():
        try:
            answer = child.receive(process.POLL_INTERVAL)
        except ChildDiedError as death:
            raise BadgeLoadError(f"loading the badge modules failed: {death}") from death
        except ChildOverranError:
            if time.monotonic() < deadline:
                continue
            child.kill()
            raise BadgeLoadError(f"the badge modules were not loaded within {process.START_TIMEOUT:g} s") from None
        if isinstance(answer, BrabeionError):
            raise answer
        return answer
    return None
