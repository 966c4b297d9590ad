"""Accepting answers, and answers that are accepted."""

from brabeion_cli import badges
from brabeion_cli.base import Badge, BadgeAwarded, BadgeDetail

from ._rules import is_answer


@badges.register
class Scholar(Badge):
    slug = "scholar"
    levels = [BadgeDetail("Scholar", "Accepted an answer to one's question")]
    events = ["answer_accepted"]

    def award(self, **state):
        return BadgeAwarded()


class AcceptedAnswer(Badge):
    """Once for each answer that is accepted and has reached a score, whichever comes later."""

    events = ["post_upvoted", "accept_received"]

    def award(self, **state):
        best_score = max(state["score_after"], state["best_score_before"])
        if is_answer(state) and state["accepted"] and best_score >= self.score:
            return BadgeAwarded(key=state["post_id"])


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
