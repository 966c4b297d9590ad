"""A child process that has loaded the badges, for commands that need to know them.

It sends the catalogue and calls receivers. The command's own process never runs badge code.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from types import TracebackType
from typing import NamedTuple, Self

from brabeion_cli.domain.catalogue import Catalogue
from brabeion_cli.domain.outcomes import NewAward
from brabeion_cli.engine.notifications import notify
from brabeion_cli.errors import LostProcessError, SetupError
from brabeion_cli.project import loader
from brabeion_cli.project.config import Config
from brabeion_cli.project.registry import Registry
from brabeion_cli.runtime import bootstrap
from brabeion_cli.runtime.messages import Notified, receivers_lost
from brabeion_cli.sandbox.channel import Channel
from brabeion_cli.sandbox.guard import Guard
from brabeion_cli.sandbox.scoreboard import Scoreboard
from brabeion_cli.sandbox.supervisor import BadgeDiedError, Supervisor
from brabeion_cli.signals import badge_awarded


class BadgesLoaded(NamedTuple):
    """The process has loaded the badges.

    `receivers` is how many receivers listen to `badge_awarded`. `unregistered`: a line for each badge class that a
    badge file defines and nobody registers.
    """

    catalogue: Catalogue
    receivers: int
    unregistered: list[str]


class Notify(NamedTuple):
    """A request: call the receivers of `badge_awarded` for these awards, which are on disk."""

    awards: list[NewAward]


def catalogue_of(config: Config) -> Catalogue:
    """Load the badges of a configuration. Raises `BadgeLoadError`, `ConfigError`, `LostProcessError`."""
    with BadgeProcess(config) as badges:
        return badges.loaded.catalogue


class BadgeProcess:
    """A child process with the badges loaded. Use it as a context manager.

        with BadgeProcess(config) as badges:
            print(badges.loaded.catalogue.slugs)

    Enter it while no database is open: SQLite's connections do not survive a fork. Entering raises `BadgeLoadError`,
    `ConfigError`, `LostProcessError`. A receiver may take `seconds` (None: as long as `award()`).
    """

    def __init__(self, config: Config, seconds: float | None = None) -> None:
        self._supervisor = Supervisor(partial(serve_badges, config, seconds or config.award_timeout))
        self.loaded: BadgesLoaded

    def __enter__(self) -> Self:
        self.loaded = self._supervisor.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._supervisor.close()

    def notify(self, awards: Iterable[NewAward]) -> list[str]:
        """Call the receivers of `badge_awarded` for awards on disk. Returns a line for each receiver that failed."""
        failures = []
        for award in awards if self.loaded.receivers else ():
            try:
                if not self._supervisor.running:
                    self.loaded = self._supervisor.start()
                self._supervisor.send(Notify([award]))
                notified: Notified = self._supervisor.answer()
                failures += notified.failures
            except (BadgeDiedError, LostProcessError) as error:
                failures.append(receivers_lost(error))
            except SetupError as error:  # a badge file broke since: the awards stand, so this is no failure of ours
                failures.append(f"receivers of badge_awarded were not called: {error}")
                break
        return failures


def serve_badges(config: Config, seconds: float, scoreboard: Scoreboard, channel: Channel) -> None:
    """Run the child: load the badges, send the catalogue, call receivers on request."""
    with bootstrap.errors_to_parent(channel):
        registry = bootstrap.load_badges(config, channel)
        scoreboard.check = channel.require_open
        channel.send(badges_loaded(registry))
        with Guard(seconds, scoreboard) as guard:
            while True:
                channel.end_after(None)
                request: Notify = channel.receive()
                channel.end_after(bootstrap.ORPHAN_RESERVE + len(badge_awarded) * seconds)
                channel.send(Notified(notify(registry, guard, request.awards)))


def badges_loaded(registry: Registry) -> BadgesLoaded:
    """The message that tells the parent process which badges are loaded."""
    return BadgesLoaded(Catalogue.of(registry), len(badge_awarded), loader.unregistered(registry))
