"""Answers that are accepted."""

from brabeion_cli import badges
from brabeion_cli.base import Badge, BadgeAwarded, BadgeDetail

from ._rules import at_least


class AcceptedAnswer(Badge):
    """Once for each answer that is accepted and has reached a score, whichever comes later."""

    events = ["post_upvoted", "accept_received"]

    def award(self, **state):
        history, post = state["history"], state["post_id"]
        if history.event.name == "accept_received":
            earned = history.first("post_upvoted", post_id=post, score_after=at_least(self.score))
        else:
            earned = state["score_after"] >= self.score and history.first("accept_received", post_id=post)
        if earned:
            return BadgeAwarded(key=post)


@badges.register
class Enlightened(AcceptedAnswer):
    slug = "enlightened"
    levels = [BadgeDetail("Enlightened", "First to answer, accepted, score of 10 or more")]
    score = 10

    def award(self, **state):
        if state.get("is_first_answer"):
            return super().award(**state)


@badges.register
class Guru(AcceptedAnswer):
    slug = "guru"
    levels = [BadgeDetail("Guru", "Accepted answer with a score of 40 or more")]
    score = 40
