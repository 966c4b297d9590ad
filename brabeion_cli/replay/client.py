"""`replay`: a child walks the journal; its parent sees to it that no badge ends the walk, and tells the receivers."""

from __future__ import annotations

import time
from collections.abc import Generator
from datetime import datetime, timezone
from functools import partial
from typing import NamedTuple

from brabeion_cli.domain.outcomes import Failure, NewAward
from brabeion_cli.domain.suggestions import near_matches
from brabeion_cli.engine import bootstrap
from brabeion_cli.engine.messages import Notified, Notify
from brabeion_cli.errors import UnknownBadgeError
from brabeion_cli.project.config import Config
from brabeion_cli.project.registry import Registry
from brabeion_cli.queue import messages, worker
from brabeion_cli.replay.checkpoints import Checkpoint
from brabeion_cli.replay.walk import Exclusions, Replay, ReplayReport
from brabeion_cli.sandbox import process, supervisor
from brabeion_cli.sandbox.channel import Channel
from brabeion_cli.sandbox.guard import Guard
from brabeion_cli.sandbox.process import ChildDiedError, ChildOverranError, ChildProcess
from brabeion_cli.sandbox.scoreboard import Scoreboard
from brabeion_cli.sandbox.supervisor import BadgeDiedError, Supervisor
from brabeion_cli.store.event_range import EventRange
from brabeion_cli.store.store import Store

BREATH = 0.0025  # seconds after each transaction, so that others get their turn
MAX_KILLS = 3  # after which a badge is not asked any more in this run


class ReplayRequest(NamedTuple):
    """What to replay: by which badges (None: all), and how."""

    stretch: EventRange
    badges: tuple[str, ...] | None
    dry_run: bool
    prune: bool
    doomed: Exclusions


class StartedAgain(NamedTuple):
    """A badge ended the child: the walk begins anew, without asking it about that event."""


def serve(config: Config, watch: Scoreboard, channel: Channel) -> None:
    """The child's life: load the badges, open the store, walk; answer with steps and the result."""

    def work(registry: Registry, store: Store, guard: Guard) -> None:
        channel.send(True)
        request: ReplayRequest = channel.receive()
        seconds = bootstrap.longest(config, registry)
        channel.end_after(seconds)
        _require_badges(registry, request.badges)

        def tell(step: Checkpoint) -> None:
            channel.send(step)
            channel.end_after(seconds)
            if step.awards and not request.dry_run:
                time.sleep(BREATH)

        replay = Replay(
            registry, store, guard, request.stretch, badges=request.badges, now=datetime.now(timezone.utc),
            dry_run=request.dry_run, prune=request.prune, doomed=request.doomed, watch=watch,
            timezone=config.timezone,
        )  # fmt: skip
        result = replay.run(tell)
        channel.end_after(None)
        channel.send(result)

    bootstrap.serve(config, watch, channel, work, deferred=config.task_timeout)


def _require_badges(registry: Registry, slugs: tuple[str, ...] | None) -> None:
    for slug in slugs or ():
        if slug not in registry.slugs:
            known = near_matches(slug, registry.slugs)
            raise UnknownBadgeError(f"no badge {slug!r}{known}; `brabeion badges` lists them. Nothing was replayed")


class ReplayClient:
    """Iterate over `run()`, to the end: the result is the last that it yields."""

    def __init__(
        self,
        config: Config,
        stretch: EventRange,
        *,
        badges: tuple[str, ...] | None = None,
        dry_run: bool = False,
        prune: bool = False,
        notify: bool = False,
    ) -> None:
        self._config = config
        self._request = ReplayRequest(stretch, badges, dry_run, prune, Exclusions({}, {}))
        self._notify = notify and not dry_run
        self._walker = Supervisor(partial(serve, config))
        self._announcer: ChildProcess | None = None

    def run(self) -> Generator[Checkpoint | StartedAgain | Notified | ReplayReport, None, None]:
        """Replay. Begins anew where a badge ended the child: what was awarded stands, and is not awarded again."""
        try:
            while True:
                self._walker.start()
                self._walker.send(self._request)
                try:
                    while not isinstance(answer := self._walker.answer(), ReplayReport):
                        yield answer
                        if failures := self._announce(answer.awards):
                            yield Notified(failures)
                    yield answer
                    return
                except BadgeDiedError as death:
                    self._spare(death)
                    yield StartedAgain()
        finally:
            self._walker.close()
            if self._announcer is not None:
                self._announcer.end()

    def _spare(self, death: BadgeDiedError) -> None:
        """Do not ask that badge about that event again; after some such deaths, about none."""
        doomed = self._request.doomed
        once = {**doomed.once, (death.line, death.badge): death.failure}
        always = dict(doomed.always)
        if sum(badge == death.badge for _, badge in once) >= MAX_KILLS:
            always[death.badge] = Failure(f"not asked: it ended its process {MAX_KILLS} times ({death})")
        self._request = self._request._replace(doomed=Exclusions(once, always))

    def _announce(self, awards: list[NewAward]) -> list[str]:
        """Tell receivers, in a process of their own that has no database open: they may fire in their turn."""
        failures: list[str] = []
        for award in awards if self._notify else ():
            try:
                if self._announcer is None:
                    self._announcer = ChildProcess(partial(worker.serve, self._config, messages.StopFlag()))
                    if not supervisor.await_ready(self._announcer).receivers:
                        self._notify = False
                        return failures
                self._announcer.send(Notify([award]))
                announced: Notified = self._announcer.receive(self._config.task_timeout + 2 * process.GRACE)
                failures += announced.failures
            except (ChildDiedError, ChildOverranError) as death:
                if self._announcer is not None:
                    self._announcer.kill()
                    self._announcer = None
                failures.append(
                    f"a receiver of badge_awarded (for badge {award.grant.badge!r}) never came back: "
                    f"{str(death) or 'it took too long'}"
                )
        return failures
