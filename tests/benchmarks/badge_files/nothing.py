"""A badge that is asked and never earned."""

from brabeion_cli import badges
from brabeion_cli.base import Badge


@badges.register
class NothingBadge(Badge):
    slug = "nothing"
    levels = ["Nothing"]
    events = ["it_happened"]

    def award(self, **state):
        return None
