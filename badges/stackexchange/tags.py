"""One badge for each tag: its name is the key."""

from brabeion_cli import badges
from brabeion_cli.base import Badge, BadgeAwarded, BadgeDetail

from ._rules import is_answer

SCORE_AND_ANSWERS = [(100, 20), (400, 80), (1000, 200)]


@badges.register
class Tag(Badge):
    slug = "tag"
    levels = [
        BadgeDetail("Bronze", "Score of 100 in 20 answers with the tag"),
        BadgeDetail("Silver", "Score of 400 in 80 answers with the tag"),
        BadgeDetail("Gold", "Score of 1000 in 200 answers with the tag"),
    ]
    events = ["answer_posted", "post_upvoted"]
    cumulative = True

    def award(self, **state):
        if is_answer(state):
            levels = {tag: self.level(**totals) for tag, totals in state["tag_scores"].items()}
            return BadgeAwarded.several(BadgeAwarded(level, key=tag) for tag, level in levels.items() if level)

    def level(self, score, answers):
        return sum(score >= least_score and answers >= least for least_score, least in SCORE_AND_ANSWERS)
