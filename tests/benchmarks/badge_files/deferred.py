"""A deferred badge that is asked and never earned."""

from brabeion_cli import badges
from brabeion_cli.base import Badge


@badges.register
class DeferredBadge(Badge):
    slug = "deferred"
    levels = ["Nothing"]
    events = ["points_awarded"]
    async_ = True

    def award(self, **state):
        return None
