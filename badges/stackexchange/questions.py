"""Good questions."""

from brabeion_cli import badges
from brabeion_cli.base import Badge, BadgeAwarded, BadgeDetail

from ._rules import is_question, reaches


@badges.register
class Student(Badge):
    slug = "student"
    levels = [BadgeDetail("Student", "First question with a score of 1 or more")]
    events = ["post_upvoted"]

    def award(self, **state):
        if is_question(state) and state["score_after"] >= 1:
            return BadgeAwarded()


class ScoredQuestion(Badge):
    """Once for each question that reaches a score."""

    events = ["post_upvoted"]

    def award(self, **state):
        if is_question(state) and reaches(self.score, state):
            return BadgeAwarded(key=state["post_id"])


@badges.register
class NiceQuestion(ScoredQuestion):
    slug = "nice-question"
    levels = [BadgeDetail("Nice Question", "Question score of 10 or more")]
    score = 10


@badges.register
class GoodQuestion(ScoredQuestion):
    slug = "good-question"
    levels = [BadgeDetail("Good Question", "Question score of 25 or more")]
    score = 25


@badges.register
class GreatQuestion(ScoredQuestion):
    slug = "great-question"
    levels = [BadgeDetail("Great Question", "Question score of 100 or more")]
    score = 100


class SteadyAsker(Badge):
    """Well-received questions on a number of separate days, and more good questions than bad ones."""

    events = ["post_upvoted"]

    def award(self, **state):
        if not is_question(state):
            return None
        asked = state["user_question_count"]
        good = asked - state["user_negative_questions"] - state["user_closed_questions"]
        if state["user_good_question_days"] >= self.days and good / asked >= 0.5:
            return BadgeAwarded()


@badges.register
class Curious(SteadyAsker):
    slug = "curious"
    levels = [BadgeDetail("Curious", "A well-received question on 5 separate days")]
    days = 5


@badges.register
class Inquisitive(SteadyAsker):
    slug = "inquisitive"
    levels = [BadgeDetail("Inquisitive", "A well-received question on 30 separate days")]
    days = 30


@badges.register
class Socratic(SteadyAsker):
    slug = "socratic"
    levels = [BadgeDetail("Socratic", "A well-received question on 100 separate days")]
    days = 100
