"""Badge files that many tests write."""

from __future__ import annotations

#: Three levels by the points in the state; the badge of the README.
POINTS = """
    from brabeion_cli import badges
    from brabeion_cli.base import Badge, BadgeAwarded

    class PointsBadge(Badge):
        slug = "points"
        levels = ["Bronze", "Silver", "Gold"]
        events = ["points_awarded"]

        def award(self, **state):
            if state["points"] > 10000:
                return BadgeAwarded(level=3)
            if state["points"] > 7500:
                return BadgeAwarded(level=2)
            if state["points"] > 5000:
                return BadgeAwarded(level=1)

    badges.register(PointsBadge)
"""
