"""Being there: comments, years."""

from brabeion_cli import badges
from brabeion_cli.base import Badge, BadgeAwarded, BadgeDetail, CountBadge


@badges.register
class Commentator(CountBadge):
    slug = "commentator"
    levels = [BadgeDetail("Commentator", "Left 10 comments")]
    events = ["comment_posted"]
    thresholds = [10]


@badges.register
class Yearling(Badge):
    slug = "yearling"
    levels = [BadgeDetail("Yearling", "Active member for a year, earning at least 200 reputation")]
    events = ["membership_anniversary"]

    def award(self, **state):
        years = state["history"].count("membership_anniversary")
        if state["reputation_at_dump"] > 200 * years:
            return BadgeAwarded(key=years)
