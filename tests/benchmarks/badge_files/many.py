"""32 badges, of which three listen to each of 32 events, and which are as seldom earned as the points badge."""

from brabeion_cli import badges
from brabeion_cli.base import Badge, BadgeAwarded

COUNT = 32


class PointsBadge(Badge):
    levels = ["Bronze", "Silver", "Gold"]

    def award(self, **state):
        points = state["points"]
        for level in (3, 2, 1):
            if points > level * self.step:
                return BadgeAwarded(level=level)


for number in range(COUNT):
    attributes = {
        "__module__": __name__,
        "slug": f"points-{number}",
        "events": [f"event_{(number + offset) % COUNT:02}" for offset in range(3)],
        "step": 4000 + 1000 * number,
    }
    badges.register(type(f"PointsBadge{number}", (PointsBadge,), attributes))
