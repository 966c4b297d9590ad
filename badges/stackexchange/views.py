"""Questions that many people read."""

from brabeion_cli import badges
from brabeion_cli.base import Badge, BadgeAwarded, BadgeDetail


class ViewedQuestion(Badge):
    """Once for each question with a number of views."""

    events = ["question_views_counted"]

    def award(self, **state):
        if state["views"] >= self.views:
            return BadgeAwarded(key=state["post_id"])


@badges.register
class PopularQuestion(ViewedQuestion):
    slug = "popular-question"
    levels = [BadgeDetail("Popular Question", "Question with 1,000 views")]
    views = 1000


@badges.register
class NotableQuestion(ViewedQuestion):
    slug = "notable-question"
    levels = [BadgeDetail("Notable Question", "Question with 2,500 views")]
    views = 2500


@badges.register
class FamousQuestion(ViewedQuestion):
    slug = "famous-question"
    levels = [BadgeDetail("Famous Question", "Question with 10,000 views")]
    views = 10000
