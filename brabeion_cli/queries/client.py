"""`explain` and `progress`: a child asks the badges, so that none of them can end the command."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple, TypeVar

from brabeion_cli.base import Badge
from brabeion_cli.domain.outcomes import Failure
from brabeion_cli.engine import bootstrap
from brabeion_cli.project.config import Config
from brabeion_cli.project.registry import Registry
from brabeion_cli.queries.explanation import Explanation, explain
from brabeion_cli.queries.progress import ProgressReport, measure_progress
from brabeion_cli.sandbox.channel import Channel
from brabeion_cli.sandbox.guard import BadgeFailedError, Guard
from brabeion_cli.sandbox.scoreboard import Scoreboard
from brabeion_cli.sandbox.supervisor import BadgeDiedError, Supervisor
from brabeion_cli.store.store import Store

T = TypeVar("T")


class Question(NamedTuple):
    """How a user stands with a badge; or, where `badge` is None, how far with all."""

    user: str
    badge: str | None
    now: datetime
    doomed: dict[str, Failure]


def ask_explanation(config: Config, user: str, slug: str, now: datetime) -> Explanation:
    """See `explanation.explain`."""
    answer: Explanation = _answer(config, Question(user, slug, now, {}))
    return answer


def ask_progress(config: Config, user: str, now: datetime) -> ProgressReport:
    """See `advance.advance`."""
    answer: ProgressReport = _answer(config, Question(user, None, now, {}))
    return answer


def _answer(config: Config, question: Question) -> Any:
    child = Supervisor(partial(_serve, config))
    try:
        while True:
            child.start()
            child.send(question)
            try:
                return child.answer()
            except BadgeDiedError as death:
                question.doomed[death.badge] = death.failure
    finally:
        child.close()


def _serve(config: Config, watch: Scoreboard, channel: Channel) -> None:
    def work(registry: Registry, store: Store, guard: Guard) -> None:
        channel.send(True)
        question: Question = channel.receive()
        channel.end_after(bootstrap.longest(config, registry))

        def ask(badge: Badge, work: Callable[[], T], /) -> T:
            if badge.slug in question.doomed:
                raise BadgeFailedError(question.doomed[badge.slug])
            return guard.call(badge, work)

        user, slug, now, _ = question
        if slug is not None:
            channel.send(explain(registry, store, config.timezone, user, slug, ask, now))
        else:
            channel.send(measure_progress(registry, store, config.timezone, user, ask, now))

    bootstrap.serve(config, watch, channel, work, deferred=config.task_timeout)
