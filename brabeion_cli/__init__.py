"""brabeion: awards badges for events, from a shell, a cron table and a SQLite file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from brabeion_cli.base import (
    Badge,
    BadgeAwarded,
    BadgeDetail,
    CountBadge,
    DaysBadge,
    Progress,
    StreakBadge,
    SumBadge,
)
from brabeion_cli.registry import badges

__version__ = "0.1.0"
__all__ = [
    "Badge", "BadgeAwarded", "BadgeDetail", "CountBadge", "DaysBadge", "Progress", "StreakBadge", "SumBadge", "badges",
]  # fmt: skip


def _fire(event: str, /, **state: Any) -> Sequence[Any]:
    from brabeion_cli import application

    return application.possibly_award_badge(event, **state)


badges.fire_with(_fire)
