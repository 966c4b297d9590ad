"""The deferred badge of the documentation: every day for a month."""

from datetime import date, datetime, timedelta, timezone

from brabeion_cli import badges
from brabeion_cli.base import Badge, BadgeAwarded

MONTH = 30


class AddictBadge(Badge):
    """Fire page_viewed with the days on which the user was there: {"days": ["2026-11-21", "2026-11-22"]}."""

    slug = "addict"
    levels = ["Addict"]
    events = ["page_viewed"]
    async_ = True

    def freeze(self, **state):
        # Without this, a queue that is processed after midnight would count from the wrong day.
        state["current_day"] = datetime.now(timezone.utc)
        return state

    def award(self, **state):
        visited = {date.fromisoformat(day) for day in state["days"]}
        today = state["current_day"].date()
        if all(today - timedelta(days=back) in visited for back in range(MONTH)):
            return BadgeAwarded()


badges.register(AddictBadge)
