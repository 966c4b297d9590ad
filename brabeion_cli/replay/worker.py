"""The child process of `replay`: loads the badges, opens the store, walks the journal."""

from __future__ import annotations

import time

from brabeion_cli.domain.suggestions import near_matches
from brabeion_cli.engine.session import Session
from brabeion_cli.errors import UnknownBadgeError
from brabeion_cli.project.config import Config
from brabeion_cli.project.registry import Registry
from brabeion_cli.replay.messages import Checkpoint, ReplayRequest
from brabeion_cli.replay.walk import Replay
from brabeion_cli.runtime import bootstrap
from brabeion_cli.sandbox.channel import Channel
from brabeion_cli.sandbox.scoreboard import Scoreboard

PAUSE_SECONDS = 0.0025  # seconds of pause after each transaction, so that others get the lock


def replay_journal(config: Config, scoreboard: Scoreboard, channel: Channel) -> None:
    """Run the child: answer a `ReplayRequest` with `Checkpoint`s and, last, the `ReplayReport`."""

    def work(session: Session) -> None:
        channel.send(True)
        request: ReplayRequest = channel.receive()
        seconds = bootstrap.seconds_to_ask_all(config, session.registry)
        channel.end_after(seconds)
        _require_badges(session.registry, request.badges)

        def tell(checkpoint: Checkpoint) -> None:
            channel.send(checkpoint)
            channel.end_after(seconds)
            if checkpoint.awards and not request.dry_run:
                time.sleep(PAUSE_SECONDS)

        report = Replay(session, request, scoreboard).run(tell)
        channel.end_after(None)
        channel.send(report)

    bootstrap.run_session(config, scoreboard, channel, work, deferred=config.task_timeout)


def _require_badges(registry: Registry, slugs: tuple[str, ...] | None) -> None:
    for slug in slugs or ():
        if slug not in registry.slugs:
            known = near_matches(slug, registry.slugs)
            raise UnknownBadgeError(f"no badge {slug!r}{known}; `brabeion badges` lists them. Nothing was replayed")
