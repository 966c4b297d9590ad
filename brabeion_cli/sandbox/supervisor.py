"""A child that runs badge code, and that is replaced when a badge takes it along: who did it is known."""

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
    """A badge ended the child, or hung in it beyond all time-outs; `line` is what the child was at."""

    def __init__(self, line: int, slug: str, failure: Failure) -> None:
        super().__init__(failure.error)
        self.line, self.slug, self.failure = line, slug, failure


class Supervisor:
    """Runs `main(scoreboard, channel)` in a child; kills it where badge code takes longer than the scoreboard says."""

    def __init__(self, main: Callable[[Scoreboard, Channel], None]) -> None:
        self._main = main
        self._scoreboard = Scoreboard()
        self._child: ChildProcess | None = None

    @property
    def running(self) -> bool:
        """Whether there is a child."""
        return self._child is not None

    def start(self) -> Any:
        """Start the child; what it says when it is ready. Raises `BrabeionError`s."""
        self._scoreboard = Scoreboard()
        self._child = ChildProcess(partial(self._main, self._scoreboard))
        return await_ready(self._child)

    def send(self, request: Any) -> None:
        """Send a request to the child that was started."""
        assert self._child is not None
        self._child.send(request)

    def answer(self) -> Any:
        """The child's next answer. Raises what the child raised; or, when it is no more, `BadgeDiedError`, or
        `LostProcessError` where no badge was running.
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

    def left(self) -> Iterator[Any]:
        """Answers that are there already."""
        with contextlib.suppress(ChildDiedError, ChildOverranError):
            while self._child is not None:
                yield self._child.receive(0)

    def close(self) -> None:
        """End the child; what it was in the middle of is rolled back."""
        if self._child is not None:
            self._child.end()
            self._child = None

    def _next(self) -> Any:
        assert self._child is not None
        calls, since = 0, 0.0
        while True:
            try:
                return self._child.receive(process.GLANCE)
            except ChildOverranError:
                score = self._scoreboard.read()
                if score.slug is None or score.calls != calls:
                    calls, since = score.calls, time.monotonic()
                elif time.monotonic() - since > score.seconds + process.GRACE:
                    self._child.kill()
                    raise ChildDiedError(f"TimeoutError: no answer within {score.seconds:g} s") from None


def await_ready(child: ChildProcess, stopped: Callable[[], bool] = lambda: False) -> Any:
    """The first answer of a child; None where `stopped()` says so before. Raises what the child raised, or
    `BadgeLoadError` where a badge module ended it or takes too long.
    """
    deadline = time.monotonic() + process.START
    while not stopped():
        try:
            answer = child.receive(process.GLANCE)
        except ChildDiedError as death:
            raise BadgeLoadError(f"a badge module did not survive being loaded: {death}") from death
        except ChildOverranError:
            if time.monotonic() < deadline:
                continue
            child.kill()
            raise BadgeLoadError(f"the badge modules were not loaded within {process.START:g} s") from None
        if isinstance(answer, BrabeionError):
            raise answer
        return answer
    return None
