"""Good answers."""

from brabeion_cli import badges
from brabeion_cli.base import Badge, BadgeAwarded, BadgeDetail

from ._rules import is_answer, reaches


@badges.register
class Teacher(Badge):
    slug = "teacher"
    levels = [BadgeDetail("Teacher", "First answer with a score of 1 or more")]
    events = ["post_upvoted"]

    def award(self, **state):
        if is_answer(state) and state["score_after"] >= 1:
            return BadgeAwarded()


@badges.register
class SelfLearner(Badge):
    slug = "self-learner"
    levels = [BadgeDetail("Self-Learner", "Answered one's own question with a score of 3 or more")]
    events = ["post_upvoted"]

    def award(self, **state):
        if is_answer(state) and state["is_self_answer"] and state["score_after"] >= 3:
            return BadgeAwarded()


class ScoredAnswer(Badge):
    """Once for each answer that reaches a score."""

    events = ["post_upvoted"]

    def award(self, **state):
        if is_answer(state) and reaches(self.score, state):
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
class Revival(Badge):
    slug = "revival"
    levels = [BadgeDetail("Revival", "Answered 30 days after the question, first to reach a score of 2")]
    events = ["post_upvoted"]

    def award(self, **state):
        if not is_answer(state) or state["days_since_question"] < 30:
            return None
        earlier = state["earlier_answers_top_score"]  # None: there were no earlier answers
        if reaches(2, state) and (earlier is None or earlier < 2):
            return BadgeAwarded(key=state["post_id"])


@badges.register
class Necromancer(Badge):
    slug = "necromancer"
    levels = [BadgeDetail("Necromancer", "Answered 60 days after the question with a score of 5 or more")]
    events = ["post_upvoted"]

    def award(self, **state):
        if is_answer(state) and state["days_since_question"] >= 60 and reaches(5, state):
            return BadgeAwarded(key=state["post_id"])
