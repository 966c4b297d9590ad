"""`fire` and `ingest`: events go to a child process that judges and records them.

Sync badges run inside the transaction that records their event, in the process that writes. That process is a child,
so that a badge which ends it (`os._exit`, a crash in C, a hang that no time-out reaches) cannot lose the event: SQLite
rolls the transaction back, the parent sees in shared memory whose code was running, and has the event recorded anew
with that badge's evaluation put in the queue.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from brabeion_cli import children, recorder, startup
from brabeion_cli.children import Child, ChildDiedError, ChildOverranError
from brabeion_cli.config import Config
from brabeion_cli.errors import BrabeionError, LostProcessError
from brabeion_cli.events import Event
from brabeion_cli.isolation import Failure
from brabeion_cli.lines import Line
from brabeion_cli.recorder import Announced, BatchRequest, FireAnswer, FireRequest, Slice
from brabeion_cli.watch import SharedWatch

MAX_KILLS = 3  # after which a badge is not asked any more in this run


class Intake:
    """Records events by way of a child process, which is replaced when a badge takes it along."""

    def __init__(self, config: Config, created: Callable[[], None] = lambda: None) -> None:
        """`created` is called where this made the database."""
        self._config = config
        self._tell_created = created
        self._watch = SharedWatch()
        self._child: Child | None = None
        self._kills: Counter[str] = Counter()
        self._last_kill: dict[str, Failure] = {}

    def close(self) -> None:
        """End the child; what it was in the middle of is rolled back."""
        if self._child is not None:
            self._child.end()
            self._child = None

    def fire(self, event: Event, *, strict: bool = False, dry_run: bool = False) -> tuple[FireAnswer, list[str]]:
        """Record one event; the answer, and what went wrong in receivers. Raises `BrabeionError`s."""
        doomed: dict[str, Failure] = {}
        while True:
            try:
                self._send(FireRequest(event, doomed, strict, dry_run))
                answer: FireAnswer = self._answer()
                break
            except ChildDiedError as death:
                _, badge, failure = self._whose_fault(death)
                doomed[badge] = failure
        return answer, self._announcements()

    def ingest(self, batches: Iterable[list[Line]], *, stop_on_error: bool = False) -> Iterator[Slice | Announced]:
        """Record the events of lines; yields what each transaction did, after it is on disk."""
        for lines in batches:
            doomed: dict[int, dict[str, Failure]] = {}
            while lines:
                done = 0
                try:
                    self._send(BatchRequest(lines, self._with_convicts(lines, doomed), stop_on_error))
                    while done < len(lines) and self._child is not None:
                        answer: Slice = self._answer()
                        done = answer.done + 1
                        yield answer
                        if failures := self._announcements():
                            yield Announced(failures)
                        if answer.stopped:
                            return
                except ChildDiedError as death:
                    line, badge, failure = self._whose_fault(death)
                    doomed.setdefault(line, {})[badge] = failure
                lines = lines[done:]

    def start(self) -> None:
        """Start the child where there is none: load the badges, open the store. Raises `BrabeionError`s."""
        if self._child is None:
            self._child = Child(partial(recorder.serve, self._config, self._watch))
            if startup.await_ready(self._child).created:
                self._tell_created()

    def _send(self, request: FireRequest | BatchRequest) -> None:
        self.start()
        assert self._child is not None
        self._child.send(request)

    def _answer(self) -> Any:
        """The child's next answer. Raises what the child raised, or `ChildDiedError` after having seen to it."""
        assert self._child is not None
        calls, since = 0, 0.0
        while True:
            try:
                answer = self._child.receive(children.GLANCE)
            except ChildOverranError:
                now_calls, _, badge = self._watch.read()
                if badge is None or now_calls != calls:
                    calls, since = now_calls, time.monotonic()
                elif time.monotonic() - since > self._config.award_timeout + children.GRACE:
                    self._child.kill()
                    raise ChildDiedError(f"TimeoutError: no answer within {self._config.award_timeout:g} s") from None
                continue
            if isinstance(answer, BrabeionError):
                raise answer
            return answer

    def _announcements(self) -> list[str]:
        """Awaits the receivers. They run after the commit: one that ends the child hurts nothing that is recorded."""
        try:
            answer = self._answer()
        except ChildDiedError as death:
            _, _, badge = self._watch.read()
            self._child, self._watch = None, SharedWatch()
            return [f"a receiver of badge_awarded (for badge {badge!r}) never came back: {death}"]
        assert isinstance(answer, Announced)
        return answer.failures

    def _whose_fault(self, death: ChildDiedError) -> tuple[int, str, Failure]:
        """The line and the badge that took the child along. Raises `LostProcessError` where no badge was running."""
        _, line, badge = self._watch.read()
        self._child, self._watch = None, SharedWatch()
        if badge is None:
            raise LostProcessError(
                f"the process that records events was ended from outside: {death}. Try again"
            ) from death
        failure = Failure(str(death))
        self._kills[badge] += 1
        self._last_kill[badge] = failure
        return line, badge, failure

    def _with_convicts(self, lines: list[Line], doomed: dict[int, dict[str, Failure]]) -> dict[int, dict[str, Failure]]:
        """`doomed`, and on every line the badges that have ended the child too often."""
        convicts = {
            badge: Failure(
                f"not asked: it ended its process {MAX_KILLS} times in this run ({self._last_kill[badge].error})"
            )
            for badge, kills in self._kills.items()
            if kills >= MAX_KILLS
        }
        if not convicts:
            return doomed
        return {line.number: {**convicts, **doomed.get(line.number, {})} for line in lines}
