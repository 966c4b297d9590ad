"""Being there: profile, comments, votes, years."""

from brabeion_cli import badges
from brabeion_cli.base import Badge, BadgeAwarded, BadgeDetail


@badges.register
class Autobiographer(Badge):
    slug = "autobiographer"
    levels = [BadgeDetail("Autobiographer", "Completed the “About Me” section of the profile")]
    events = ["profile_saved"]

    def award(self, **state):
        if state["about_me"]:
            return BadgeAwarded()


@badges.register
class Commentator(Badge):
    slug = "commentator"
    levels = [BadgeDetail("Commentator", "Left 10 comments")]
    events = ["comment_posted"]

    def award(self, **state):
        if state["user_comment_count"] >= 10:
            return BadgeAwarded()


@badges.register
class Yearling(Badge):
    slug = "yearling"
    levels = [BadgeDetail("Yearling", "Active member for a year, earning at least 200 reputation")]
    events = ["membership_anniversary"]

    def award(self, **state):
        if state["reputation_at_dump"] > 200 * state["years"]:
            return BadgeAwarded(key=state["years"])


class VoteCount(Badge):
    """A number of votes cast."""

    events = ["vote_totals_counted"]

    def award(self, **state):
        if state[self.counter] >= self.votes:
            return BadgeAwarded()


@badges.register
class Supporter(VoteCount):
    slug = "supporter"
    levels = [BadgeDetail("Supporter", "First up vote")]
    counter, votes = "up_votes", 1


@badges.register
class Critic(VoteCount):
    slug = "critic"
    levels = [BadgeDetail("Critic", "First down vote")]
    counter, votes = "down_votes", 1


@badges.register
class CivicDuty(VoteCount):
    slug = "civic-duty"
    levels = [BadgeDetail("Civic Duty", "Voted 300 or more times")]
    counter, votes = "votes", 300
