"""`explain` and `progress`: a child asks the badges, so that none of them can end the command."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple, TypeVar

from brabeion_cli import serving
from brabeion_cli.advance import Advance, advance
from brabeion_cli.base import Badge
from brabeion_cli.channel import Channel
from brabeion_cli.config import Config
from brabeion_cli.explanation import Explanation, explain
from brabeion_cli.isolation import BadgeFailedError, Failure, Guard
from brabeion_cli.registry import Registry
from brabeion_cli.store import Store
from brabeion_cli.supervision import BadgeDiedError, SupervisedChild
from brabeion_cli.watch import SharedWatch

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


def ask_advance(config: Config, user: str, now: datetime) -> Advance:
    """See `advance.advance`."""
    answer: Advance = _answer(config, Question(user, None, now, {}))
    return answer


def _answer(config: Config, question: Question) -> Any:
    child = SupervisedChild(partial(_serve, config))
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


def _serve(config: Config, watch: SharedWatch, channel: Channel) -> None:
    def work(registry: Registry, store: Store, guard: Guard) -> None:
        channel.send(True)
        question: Question = channel.receive()
        channel.end_after(serving.longest(config, registry))

        def ask(badge: Badge, work: Callable[[], T], /) -> T:
            if badge.slug in question.doomed:
                raise BadgeFailedError(question.doomed[badge.slug])
            return guard.call(badge, work)

        user, slug, now, _ = question
        if slug is not None:
            channel.send(explain(registry, store, config.timezone, user, slug, ask, now))
        else:
            channel.send(advance(registry, store, config.timezone, user, ask, now))

    serving.serve(config, watch, channel, work, deferred=config.task_timeout)
