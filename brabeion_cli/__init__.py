"""brabeion awards badges for events, from a shell, a cron table and a SQLite file.

A badge module needs `badges`, `Badge` and `BadgeAwarded`:

    from brabeion_cli import Badge, BadgeAwarded, badges

    @badges.register
    class PointsBadge(Badge):
        slug = "points"
        levels = ["Bronze"]
        events = ["points_awarded"]

        def award(self, **state):
            if state["points"] > 5000:
                return BadgeAwarded(level=1)

An application fires an event with the same `badges`:

    badges.possibly_award_badge("points_awarded", user="alice", points=8000)
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
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
    from brabeion_cli.project.registry import badges

__version__ = "0.2.0.dev0"
__all__ = [
    "Badge", "BadgeAwarded", "BadgeDetail", "CountBadge", "DaysBadge", "Progress", "StreakBadge", "SumBadge", "badges",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Load a name for badge authors when they import it: the command must handle Ctrl-C before anything is loaded."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from brabeion_cli import base
    from brabeion_cli.project import registry

    registry.badges.fire_with(_fire)
    return registry.badges if name == "badges" else getattr(base, name)


def _fire(event: str, /, **state: Any) -> Sequence[Any]:
    from brabeion_cli.engine import in_process

    return in_process.possibly_award_badge(event, **state)
