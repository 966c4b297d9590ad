"""The first badge of the documentation: three levels for points."""

from brabeion_cli import badges
from brabeion_cli.base import Badge, BadgeAwarded


class PointsBadge(Badge):
    slug = "points"
    levels = ["Bronze", "Silver", "Gold"]
    events = ["points_awarded"]
    multiple = False

    def award(self, **state):
        points = state["points"]
        if points > 10000:
            return BadgeAwarded(level=3)
        if points > 7500:
            return BadgeAwarded(level=2)
        if points > 5000:
            return BadgeAwarded(level=1)


badges.register(PointsBadge)
