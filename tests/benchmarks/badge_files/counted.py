"""A badge that asks the journal."""

from brabeion_cli import badges
from brabeion_cli.base import CountBadge


@badges.register
class CountedBadge(CountBadge):
    slug = "counted"
    levels = ["Bronze", "Silver", "Gold"]
    events = ["points_awarded"]
    thresholds = [10, 50, 80]
