"""Good answers."""

from brabeion_cli import badges
from brabeion_cli.base import Badge, BadgeAwarded, BadgeDetail

from ._rules import is_answer


class ScoredAnswer(Badge):
    """Once for each answer with a score: an award that is held stays as it is, so the first such vote earns it."""

    events = ["post_upvoted"]

    def award(self, **state):
        if is_answer(state) and state["score_after"] >= self.score:
            return BadgeAwarded(key=state["post_id"])


@badges.register
class NiceAnswer(ScoredAnswer):
    slug = "nice-answer"
    levels = [BadgeDetail("Nice Answer", "Answer score of 10 or more")]
    score = 10


@badges.register
class GoodAnswer(ScoredAnswer):
    slug = "good-answer"
    levels = [BadgeDetail("Good Answer", "Answer score of 25 or more")]
    score = 25


@badges.register
class GreatAnswer(ScoredAnswer):
    slug = "great-answer"
    levels = [BadgeDetail("Great Answer", "Answer score of 100 or more")]
    score = 100


@badges.register
class Necromancer(ScoredAnswer):
    slug = "necromancer"
    levels = [BadgeDetail("Necromancer", "Answered 60 days after the question with a score of 5 or more")]
    score = 5

    def award(self, **state):
        if is_answer(state) and state["days_since_question"] >= 60:
            return super().award(**state)
