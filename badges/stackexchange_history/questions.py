"""Good questions."""

from brabeion_cli import badges
from brabeion_cli.base import Badge, BadgeAwarded, BadgeDetail

from ._rules import is_question


class ScoredQuestion(Badge):
    """Once for each question with a score: an award that is held stays as it is, so the first such vote earns it."""

    events = ["post_upvoted"]

    def award(self, **state):
        if is_question(state) and state["score_after"] >= self.score:
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
    asks = ["question_asked", "post_downvoted", "question_closed", "question_reopened"]

    def award(self, **state):
        history = state["history"]
        asked = history.count("question_asked")
        if not is_question(state) or asked < self.days:
            return None
        votes = [vote.state for vote in history.events("post_upvoted", "post_downvoted", post_type="question")]
        scores = {vote["post_id"]: vote["score_after"] for vote in votes}  # of each question the last
        closed = self.closed_early(history)
        liked = {post for post, score in scores.items() if score > 0} - closed
        days = history.days("question_asked", tz="UTC", post_id=lambda post: post in liked)
        bad = sum(score < 0 for score in scores.values()) + len(closed)
        if days >= self.days and bad <= asked / 2:
            return BadgeAwarded()

    def closed_early(self, history):
        """The questions that were closed within 60 days, and not reopened."""
        events = history.events("question_closed", "question_reopened")
        last = {event.state["post_id"]: event for event in events}
        return {
            post
            for post, event in last.items()
            if event.name == "question_closed" and event.state["days_since_asked"] <= 60
        }


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
