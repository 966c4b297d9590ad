"""Sends `badge_awarded` for awards that are on disk."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from brabeion_cli.base import Badge
from brabeion_cli.domain.outcomes import NewAward, failure_text
from brabeion_cli.domain.timestamps import parse_moment
from brabeion_cli.project.registry import Registry
from brabeion_cli.sandbox.guard import BadgeFailedError, Guard
from brabeion_cli.signals import BadgeAward, badge_awarded


def notify(registry: Registry, guard: Guard, awards: Sequence[NewAward]) -> list[str]:
    """Call the receivers of `badge_awarded` for awards that are on disk. Returns a line for each call that failed."""
    failures = []
    for award in awards if badge_awarded else ():
        badge = registry.get(award.grant.slug)
        if badge is None:
            continue
        for receiver in badge_awarded:
            send = partial(receiver, sender=badge, badge_award=_as_sent(award, badge))
            try:
                guard.call(badge, send, _folder_of(receiver), asking=False)
            except BadgeFailedError as error:
                name = getattr(receiver, "__qualname__", type(receiver).__name__)
                failures.append(f"receiver {name} of badge_awarded failed: {failure_text(error.failure)}")
    return failures


def _folder_of(receiver: Callable[..., Any]) -> str | None:
    code = getattr(receiver, "__code__", None)
    return None if code is None else os.path.dirname(code.co_filename)


def _as_sent(award: NewAward, badge: Badge) -> BadgeAward:
    grant, detail = award.grant, badge.detail(award.grant.level)
    return BadgeAward(
        user=grant.user,
        badge=grant.slug,
        level=grant.level,
        level_name=detail.name,
        description=detail.description,
        image=detail.image,
        key=grant.key or None,
        awarded_at=parse_moment(award.at),
        event=award.event,
    )
