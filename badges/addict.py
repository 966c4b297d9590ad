"""The deferred badge of the documentation: there every day for a month."""

from brabeion_cli import badges
from brabeion_cli.base import StreakBadge


@badges.register
class AddictBadge(StreakBadge):
    """Fire page_viewed whenever a user looks at a page; the journal knows on which days."""

    slug = "addict"
    levels = ["Addict"]
    events = ["page_viewed"]
    thresholds = [30]
    async_ = True
